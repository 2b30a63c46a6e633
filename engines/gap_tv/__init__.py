"""GAP-TV: training-free reconstruction on a spectral subspace."""
