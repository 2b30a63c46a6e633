"""The spectrum of a line: a Gaussian of its width, as a few wavelengths with weights."""

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.capture import Line

FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))
_SAMPLES = 81
_REACH_SIGMA = 3.5


def line_profile(line: Line) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wavelengths in nm and weights that sum to 1; one wavelength where the line has no width."""
    if line.fwhm_nm <= 0:
        return np.array([line.wavelength_nm]), np.ones(1)
    places = np.linspace(-_REACH_SIGMA, _REACH_SIGMA, _SAMPLES)
    weights = np.exp(-(places**2) / 2)
    return line.wavelength_nm + line.fwhm_nm / FWHM_PER_SIGMA * places, weights / weights.sum()
