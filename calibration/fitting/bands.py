"""Bands: at which wavelengths, at which shifts, how wide, and how each of them sees the mask."""

from dataclasses import dataclass

import numpy as np

from livecassi.calibration.calibration import Array32, Calibration
from livecassi.calibration.dispersion_curve import Curve, Floats, powers, recorded_curve
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.settings import BandChoice

FARTHEST_SIGMA_PX = 1.5  # a curve known worse than that says nothing about a band
_DAMPING = 0.01  # of what a narrower band shows sharper than the stored mask
_BORDER_PX = 16  # repeated beyond the mask, so that its sides do not meet in the Fourier transform


@dataclass(frozen=True)
class Bands:
    """`wavelengths_nm (C,)`; `dispersion_px (C,)`: shifts against the first band; their `covariance (C, C)` in px²;

    `edges_px (C + 1,)`: the shifts between which each band's light lies, halfway in wavelength to its neighbours.
    """

    wavelengths_nm: Floats
    dispersion_px: Floats
    covariance: Floats
    edges_px: Floats


def choose_bands(curve: Curve, choice: BandChoice) -> Bands:
    """The bands that were asked for, on the calibrated curve.

    Raises `CalibrationInvalidError` where the curve does not get there, does not rise, or is not known there.
    """
    if choice.wavelengths_nm is not None:
        wavelengths = np.array(choice.wavelengths_nm, np.float64)
        shifts: Floats = curve.shift_px(wavelengths) - float(curve.shift_px(wavelengths[0]))
    else:
        shifts = choice.step_px * np.arange(choice.count, dtype=np.float64)
        wavelengths = curve.wavelength_nm(float(curve.shift_px(choice.first_nm)) + shifts)
        wavelengths[0] = choice.first_nm
    if np.any(np.diff(wavelengths) <= 0) or np.any(np.diff(shifts) <= 0):
        raise CalibrationInvalidError(
            f"the shifts of the bands from {wavelengths[0]:.1f} to {wavelengths[-1]:.1f} nm do not grow with the "
            "wavelength, expected a curve that rises over all of them: look for swapped lines, or flip the camera's "
            "columns"
        )
    sigmas = curve.sigma_px(wavelengths, relative_to_nm=float(wavelengths[0]))
    if sigmas.max() > FARTHEST_SIGMA_PX:
        worst = int(np.argmax(sigmas))
        raise CalibrationInvalidError(
            f"the curve of the lines from {curve.range_nm[0]:g} to {curve.range_nm[1]:g} nm is known to "
            f"{sigmas[worst]:.1f} px at the band of {wavelengths[worst]:.0f} nm, expected at most "
            f"{FARTHEST_SIGMA_PX:g} px; capture lines near the ends of the band, or choose a narrower one"
        )
    rows = powers(wavelengths, curve.terms) - powers(wavelengths[0], curve.terms)
    covariance = rows @ np.array(curve.covariance) @ rows.T
    edges = curve.shift_px(_edges_nm(wavelengths)) - float(curve.shift_px(wavelengths[0]))
    if np.any(np.diff(edges) <= 0):
        raise CalibrationInvalidError(
            f"the curve of the lines from {curve.range_nm[0]:g} to {curve.range_nm[1]:g} nm turns at an end of the "
            f"bands from {wavelengths[0]:.1f} to {wavelengths[-1]:.1f} nm, expected one that rises over all of them; "
            "capture lines near the ends of the band, or choose a narrower one"
        )
    return Bands(wavelengths, shifts, covariance, edges)


def band_masks(calibration: Calibration) -> Array32:
    """How each band sees the mask, `(C, H, Wm)` in the mask's own frame: the 3-D mask before it is sheared.

    For networks trained at a whole step (2 px) on bands chosen at multiples of it: shift band c by its
    `dispersion_px` and the geometry is theirs, without resampling a frame (specification 8, option A). The stored mask
    is what a band of average width shows; here each band is smeared over its own width, about its own shift, and
    blurred by its own point spread where the calibration knows one. What all bands have in common - smile, tilt,
    turn - is in the stored mask.
    """
    low, high = _band_limits(calibration)
    average = float(high[-1] - low[0]) / calibration.bands
    padded = np.pad(calibration.mask, _BORDER_PX, mode="edge")
    spectrum = np.fft.rfft2(padded)
    down, along = np.fft.fftfreq(padded.shape[0])[:, None], np.fft.rfftfreq(padded.shape[1])[None, :]
    stored = np.sinc(average * along)
    inner = slice(_BORDER_PX, -_BORDER_PX)
    masks = np.empty((calibration.bands, *calibration.mask.shape), np.float32)
    for c in range(calibration.bands):
        middle = calibration.system.mask_direction * ((low[c] + high[c]) / 2 - float(calibration.dispersion_px[c]))
        width = np.sinc((high[c] - low[c]) * along)
        change = (width * stored + _DAMPING) / (stored**2 + _DAMPING) * np.exp(-2j * np.pi * along * middle)
        across, sideways = calibration.psf_px[c] if calibration.psf_px is not None else (0.0, 0.0)
        change = change * np.exp(-2 * np.pi**2 * ((float(across) * down) ** 2 + (float(sideways) * along) ** 2))
        masks[c] = np.fft.irfft2(spectrum * change, padded.shape)[inner, inner]
    return np.clip(masks, 0, 1)


def _edges_nm(wavelengths: Floats) -> Floats:
    """Between neighbouring centres halfway; the outer ones as far out as the nearest is in."""
    if len(wavelengths) < 2:
        raise CalibrationInvalidError(
            f"{len(wavelengths)} band was asked for, expected at least 2: a band's width is the distance to the next"
        )
    middles = (wavelengths[1:] + wavelengths[:-1]) / 2
    ends = 2 * wavelengths[0] - middles[0], 2 * wavelengths[-1] - middles[-1]
    return np.concatenate([[ends[0]], middles, [ends[1]]])


def _band_limits(calibration: Calibration) -> tuple[Floats, Floats]:
    """Lower and upper shift of each band's light: from the curve where there is one, else halfway in shift."""
    shifts = calibration.dispersion_px.astype(np.float64)
    curve = recorded_curve(calibration)
    if curve is not None:
        wavelengths = calibration.wavelengths_nm.astype(np.float64)
        edges = curve.shift_px(_edges_nm(wavelengths)) - float(curve.shift_px(wavelengths[0]))
    else:
        edges = _edges_nm(shifts)
    return edges[:-1], edges[1:]
