"""Shipped data: reference spectra, weights, icons. No logic."""
