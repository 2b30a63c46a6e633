"""White: from cubes relative to the white reference to radiance, by the spectrometer's reading of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livecassi.calibration.calibration import Array32
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.line_profile import FWHM_PER_SIGMA

_REACH_FWHM = 1.0  # on both sides of the centre: 98 % of a Gaussian
_SAMPLES = 101  # per band


@dataclass(frozen=True)
class WhiteScale:
    """`scale (C,)`: what a cube in units of the white reference is multiplied by to become the spectrometer's quantity.

    `sigma (C,)`: its standard error, from the spectrometer's noise and from where the bands lie.
    """

    scale: Array32
    sigma: Array32


def scale_to_spectrometer(
    response: ArrayLike,
    wavelengths_nm: ArrayLike,
    spectrum_nm: ArrayLike,
    spectrum: ArrayLike,
    fwhm_nm: ArrayLike,
    *,
    spectrum_sigma: ArrayLike = 0.0,
    wavelength_sigma_nm: ArrayLike = 0.0,
    white_reflectance: float = 1.0,
) -> WhiteScale:
    """The mean of the white's spectrum over each band, weighted as the band sees it, for a reflectance of 1.

    `response (C,)` at `wavelengths_nm (C,)`, ascending; `spectrum (L,)` of the white at `spectrum_nm (L,)`, ascending,
    in any unit (W / m² / sr / nm); `fwhm_nm`: width of the bands, one or `(C,)`. A band is a Gaussian of that width
    times the response between the bands. `spectrum_sigma`: standard error of one reading, one or `(L,)`;
    `wavelength_sigma_nm`: of the bands' centres. Raises `CalibrationInvalidError` where a band reaches beyond the
    spectrometer, or a spectrum does not ascend or is not finite.
    """
    bands, strength = np.asarray(wavelengths_nm, np.float64), np.asarray(response, np.float64)
    at, values = np.asarray(spectrum_nm, np.float64), np.asarray(spectrum, np.float64)
    widths = np.broadcast_to(np.asarray(fwhm_nm, np.float64), bands.shape)
    _require(bands, widths, at, values, white_reflectance)
    errors = np.broadcast_to(np.asarray(spectrum_sigma, np.float64), values.shape)
    displacement = np.broadcast_to(np.asarray(wavelength_sigma_nm, np.float64), bands.shape)
    scale, sigma = np.zeros(len(bands)), np.zeros(len(bands))
    for c, (centre, width) in enumerate(zip(bands, widths, strict=True)):
        weights = _weights(centre, width, at, bands, strength)
        scale[c] = weights @ values
        noise = float(np.sqrt(weights**2 @ errors**2))
        step = 0.25 * width
        moved = [_weights(centre + d, width, at, bands, strength) @ values for d in (-step, step)]
        sigma[c] = np.hypot(noise, (moved[1] - moved[0]) / (2 * step) * displacement[c])
    return WhiteScale((scale / white_reflectance).astype(np.float32), (sigma / white_reflectance).astype(np.float32))


def _weights(
    centre: float,
    fwhm: float,
    spectrum_nm: NDArray[np.float64],
    bands_nm: NDArray[np.float64],
    response: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How much each reading `(L,)` of the spectrometer counts in a band: readings are joined by straight lines."""
    samples = centre + fwhm * np.linspace(-_REACH_FWHM, _REACH_FWHM, _SAMPLES)
    profile = np.exp(-0.5 * (FWHM_PER_SIGMA * (samples - centre) / fwhm) ** 2)
    seen = profile * np.maximum(np.interp(samples, bands_nm, response), 1e-12)
    right = np.clip(np.searchsorted(spectrum_nm, samples), 1, len(spectrum_nm) - 1)
    part = np.clip((samples - spectrum_nm[right - 1]) / (spectrum_nm[right] - spectrum_nm[right - 1]), 0, 1)
    size = len(spectrum_nm)
    weights = np.bincount(right - 1, seen * (1 - part), size) + np.bincount(right, seen * part, size)
    normalised: NDArray[np.float64] = weights / seen.sum()
    return normalised


def _require(
    bands: NDArray[np.float64],
    widths: NDArray[np.float64],
    at: NDArray[np.float64],
    values: NDArray[np.float64],
    white_reflectance: float,
) -> None:
    if at.shape != values.shape or len(at) < 2 or np.any(np.diff(at) <= 0) or not np.isfinite(values).all():
        raise CalibrationInvalidError(
            f"the spectrum of the white has {len(at)} wavelengths and {len(values)} values, expected as many finite "
            "values as ascending wavelengths; read it again"
        )
    if not (widths > 0).all() or not 0 < white_reflectance <= 1.2:
        raise CalibrationInvalidError(
            f"band widths down to {widths.min():g} nm and a reflectance of the white of {white_reflectance:g} were "
            "given, expected widths above 0 and a reflectance from 0 to 1.2"
        )
    low, high = bands - _REACH_FWHM * widths, bands + _REACH_FWHM * widths
    outside = np.flatnonzero((low < at[0] - 1e-6) | (high > at[-1] + 1e-6))
    if len(outside):
        named = ", ".join(f"{bands[c]:.1f}" for c in outside)
        raise CalibrationInvalidError(
            f"the spectrometer reads {at[0]:.1f} to {at[-1]:.1f} nm, the bands at {named} nm reach from "
            f"{low[outside].min():.1f} to {high[outside].max():.1f} nm; choose bands inside, or another spectrometer"
        )
