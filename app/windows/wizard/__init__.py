"""The calibration wizard: one page for each step, each showing what a plain function of the procedure does."""
