"""A recording is a folder: segments of raw frames, the calibration, the settings and a session file."""
