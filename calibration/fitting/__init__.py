"""Fit: from captures of a bench to its calibration. Every step is a plain function with quality figures."""
