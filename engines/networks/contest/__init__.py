"""Networks on every runtime beside each other: what benchmarks of runtimes prepare, run and measure."""
