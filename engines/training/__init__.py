"""Training: scenes, samples, the loop, checkpoints; each network adds its task as one file."""
