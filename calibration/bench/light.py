"""The light of the bench: what of the lamp or of a narrow line the sensor counts, on dense spectral samples."""

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.bench.dispersion import SUB_BANDS_PER_PX, DispersionCurve, SubBands
from livecassi.calibration.capture import Line

_REACH = 3.5  # standard deviations of a line that are computed, on both sides
_FEWEST_SAMPLES = 15  # of a line that has a width
_FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))
_EDGE_NM = 2.0


def passed(wavelengths_nm: NDArray[np.float64], first_nm: float, last_nm: float) -> NDArray[np.float64]:
    """The share that the band-pass filter lets through: half of it 3 nm beyond the first and the last band."""
    share: NDArray[np.float64] = 1 / (1 + np.exp(-(wavelengths_nm - first_nm + 3) / _EDGE_NM))
    share /= 1 + np.exp((wavelengths_nm - last_nm - 3) / _EDGE_NM)
    return share


def silicon(wavelengths_nm: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quantum efficiency of the sensor, best near 540 nm."""
    efficiency: NDArray[np.float64] = 0.68 * np.exp(-(((wavelengths_nm - 540.0) / 190.0) ** 2))
    return efficiency


def efficiency(wavelengths_nm: NDArray[np.float64], first_nm: float, last_nm: float) -> NDArray[np.float64]:
    """Optics with a band-pass filter (edges of 2 nm) times the silicon sensor."""
    whole: NDArray[np.float64] = 0.7 * passed(wavelengths_nm, first_nm, last_nm) * silicon(wavelengths_nm)
    return whole


def line_samples(curve: DispersionCurve, line: Line) -> tuple[SubBands, NDArray[np.float64]]:
    """Where the light of a line lies, and its shares `(Q,)` with sum 1: a Gaussian, or all of it at one wavelength."""
    centre, sigma = line.wavelength_nm, line.fwhm_nm / _FWHM_PER_SIGMA
    if sigma == 0:
        alone = np.array([centre])
        return SubBands(alone, np.ones(1), curve.shift_px(alone), np.zeros(1, int)), np.ones(1)
    low, high = centre - _REACH * sigma, centre + _REACH * sigma
    columns = abs(float(np.diff(curve.shift_px([low, high]))[0]))
    count = max(_FEWEST_SAMPLES, int(np.ceil(SUB_BANDS_PER_PX * columns)))
    width = (high - low) / count
    wavelengths = low + width * (np.arange(count) + 0.5)
    shares = np.exp(-0.5 * ((wavelengths - centre) / sigma) ** 2)
    samples = SubBands(wavelengths, np.full(count, width), curve.shift_px(wavelengths), np.zeros(count, int))
    return samples, shares / shares.sum()
