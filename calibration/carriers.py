"""What a bench makes of light that is known: patterns on the camera that tell where the mask is."""

import numpy as np

from livecassi.calibration.calibration import Array32, Calibration
from livecassi.calibration.dispersion_curve import recorded_curve
from livecassi.calibration.errors import CalibrationMismatchError
from livecassi.calibration.sensing import sensing_model, shift_taps

BEYOND_NM = 10.0  # how far outside the bands a line may lie


def white_pattern(calibration: Calibration) -> Array32:
    """A 1: the measurement `(H, W')` of an even white target under the lamp of the calibration."""
    return sensing_model(calibration).forward(np.ones(calibration.cube_shape, np.float32))


def line_pattern(calibration: Calibration, wavelength_nm: float) -> tuple[Array32, tuple[int, int]]:
    """The mask as one line of light shows it on an even target `(H, W')`, and its columns from first to before last.

    Raises `CalibrationMismatchError` for a line outside the bands.
    """
    shift = line_shift_px(calibration, wavelength_nm)
    whole = int(np.floor(shift))
    part = np.float32(shift - whole)
    height, width = calibration.measurement_shape
    mask = np.pad(calibration.mask, ((0, 0), (1, 2)))
    picture = np.zeros((height, width), np.float32)
    columns = np.arange(width)
    if calibration.system.single_disperser:  # camera column n shows mask column n - s
        seen = columns - whole
        picture = (1 - part) * _columns(mask, seen) + part * _columns(mask, seen - 1)
        return picture, (max(whole + 1, 0), min(whole + calibration.mask.shape[1], width))
    seen = columns + whole  # camera column n shows mask column n + s
    return (1 - part) * _columns(mask, seen) + part * _columns(mask, seen + 1), (0, width)


def line_shift_px(calibration: Calibration, wavelength_nm: float) -> float:
    """s(λ) of the calibration's curve, or between its bands where it holds no curve.

    Raises `CalibrationMismatchError` for a line outside the bands.
    """
    bands = calibration.wavelengths_nm
    first, last = float(bands[0]) - BEYOND_NM, float(bands[-1]) + BEYOND_NM
    if not first <= wavelength_nm <= last:
        raise CalibrationMismatchError(
            f"a line of {wavelength_nm:g} nm was named, this calibration knows {first:.0f} to {last:.0f} nm; "
            "choose a line in this range"
        )
    curve = recorded_curve(calibration)
    if curve is not None:
        return float(curve.shift_px(wavelength_nm))
    return float(np.interp(wavelength_nm, bands, calibration.dispersion_px))


def scene_carriers(calibration: Calibration, count: int) -> Array32:
    """G_k = Σ_c g_c cos(π k (c + ½) / C) · (the mask as band c shows it): `(count, H, W')`."""
    bands, height, width = calibration.cube_shape
    shapes = np.cos(np.pi * np.outer(np.arange(count), (np.arange(bands) + 0.5) / bands))
    shapes = (shapes * calibration.response / calibration.response.mean()).astype(np.float32)
    taps = shift_taps(calibration.dispersion_px, calibration.header.sub_steps)
    single, mask = calibration.system.single_disperser, calibration.mask
    reach = int(taps.columns.max())
    wide = np.zeros((count, height, width + reach if single else width), np.float32)
    padded = mask if single else np.pad(mask, ((0, 0), (0, max(0, reach + width - mask.shape[1]))))
    for band in range(bands):
        for column, weight in zip(taps.columns[band], taps.weights[band], strict=True):
            if not weight:
                continue
            shape = (weight * shapes[:, band])[:, None, None]
            if single:
                wide[:, :, column : column + width] += shape * mask
            else:
                wide += shape * padded[:, column : column + width]
    return np.ascontiguousarray(wide[:, :, : calibration.measurement_shape[1]])


def _columns(padded: Array32, wanted: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Array32:
    """Columns of a mask with one column of zeros before and two behind; beyond it nothing passes."""
    return padded[:, np.clip(wanted + 1, 0, padded.shape[1] - 1)]
