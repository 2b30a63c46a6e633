"""A picture of the coded aperture, as a published or measured 2-D mask, becomes a calibration."""

from pathlib import Path

import numpy as np

from livecassi.calibration.calibration import Array32, Calibration, CalibrationHeader, SubSteps, System
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.import_cube import bands_first, flatten_mask
from livecassi.calibration.import_presets import MASK_KEYS
from livecassi.drivers.array_files import AnyArray, read_array

MOST_BANDS = 1000
MOST_STEP_PX = 100
SPARE_COLUMNS = 8  # a dual-disperser mask may be so much wider than a square scene needs

# Band centres of the snapshot benchmark of the CASSI literature (TSA-Net): a prism's curve.
TSA28_NM = (
    453.5, 457.5, 462.0, 466.0, 471.5, 476.5, 481.5, 487.0, 492.5, 498.0, 504.0, 510.0, 516.0, 522.5,
    529.5, 536.5, 544.0, 551.5, 558.5, 567.5, 575.5, 584.5, 594.5, 604.0, 614.5, 625.0, 636.5, 648.0,
)  # fmt: skip


def parse_wavelengths(text: str) -> Array32:
    """Band centres in nm from "tsa28", "start:stop:step" (stop included) or a list "450,460.5,...".

    Raises `CalibrationInvalidError` for anything else, and where they do not ascend.
    """
    wanted = "expected tsa28, start:stop:step as 410:700:10, or a list as 450,460.5,471"
    cleaned = text.strip().lower()
    if cleaned == "tsa28":
        return np.array(TSA28_NM, np.float32)
    try:
        numbers = [float(part) for part in cleaned.split(":" if ":" in cleaned else ",")]
    except ValueError as error:
        raise CalibrationInvalidError(f"wavelengths '{text}' are not understood; {wanted}") from error
    if not np.isfinite(numbers).all() or min(numbers) <= 0:
        raise CalibrationInvalidError(f"wavelengths '{text}' hold a value that is no wavelength in nm; {wanted}")
    if ":" in cleaned:
        if len(numbers) != 3 or numbers[1] < numbers[0]:
            raise CalibrationInvalidError(f"wavelengths '{text}' are no ascending range; {wanted}")
        start, stop, step = numbers
        if (stop - start) / step > MOST_BANDS - 1:
            raise CalibrationInvalidError(f"wavelengths '{text}' are more than {MOST_BANDS} bands; {wanted}")
        count = int(np.floor((stop - start) / step + 1e-6)) + 1
        return (start + step * np.arange(count)).astype(np.float32)
    if np.any(np.diff(numbers) <= 0):
        raise CalibrationInvalidError(f"wavelengths '{text}' do not ascend; {wanted}")
    return np.array(numbers, np.float32)


def import_mask(
    path: Path,
    system: System,
    wavelengths_nm: Array32,
    step_px: float,
    *,
    key: str | None = None,
    width: int | None = None,
    sub_steps: SubSteps = SubSteps.POINT,
    name: str = "",
) -> Calibration:
    """The calibration of an ideal bench: this mask, `step_px` columns from band to band, response 1, no dark.

    The same mask and arguments give the same id (nothing was measured, so no date is noted).
    The mask `(H, Wm)` comes from .mat (`key`, else one of `MASK_KEYS`, else the only picture), .npy, .png or .tif;
    whole numbers are divided by their full scale (0..1 stays, else 255, 4095 ... 65535, whichever holds them).
    A 3-D mask, one picture per band, becomes the mean of its bands, shifted back, where they show one mask; where
    they differ in brightness that is the response.
    `width` is the scene's width, taken from column 0. Without it: a single disperser uses the whole mask; a dual
    disperser the square `H x H` where the mask is 0 to 8 columns wider than that needs, else as much as fits.

    Raises `SourceError` for a file that cannot be read, `CalibrationInvalidError` for a mask that cannot serve.
    """
    if not 0 <= step_px <= MOST_STEP_PX:
        raise CalibrationInvalidError(
            f"a step of {step_px:g} px was given, expected 0 to {MOST_STEP_PX} columns per band; "
            "give the step of the instrument"
        )
    found = _read_array(path, key)
    bands = len(wavelengths_nm)
    response, notes = np.ones(bands, np.float32), f"imported from {path.name}, {step_px:g} px per band"
    if found.ndim == 3:
        flat = flatten_mask(bands_first(_transmission(found, path), bands, path), system, step_px, path)
        mask, response = flat.mask, flat.response
        notes += f"; mean of {bands} bands, {'shifted back' if flat.shifted else 'as they were'}, the worst "
        notes += f"correlates {flat.correlation:.3f} with it"
    else:
        mask = _transmission(found, path)
    dispersion_px = (step_px * np.arange(bands)).astype(np.float32)
    largest_shift = int(np.ceil(step_px * (bands - 1) - 1e-4))
    return Calibration(
        CalibrationHeader(
            system=system,
            sub_steps=sub_steps,
            name=name or path.stem,
            notes=notes,
        ),
        wavelengths_nm=wavelengths_nm,
        mask=_crop(mask, path, system, largest_shift, width),
        dispersion_px=dispersion_px,
        response=response,
    )


def read_mask(path: Path, key: str | None = None) -> Array32:
    """A mask `(H, Wm)` with transmissions 0..1 from .mat, .npy, .png or .tif, see `import_mask`.

    Raises `SourceError` or `CalibrationInvalidError`.
    """
    array = _read_array(path, key)
    if array.ndim != 2:
        raise CalibrationInvalidError(
            f"{path} holds an array of shape {array.shape}, expected a mask of two dimensions (rows, columns)"
        )
    return _transmission(array, path)


def _read_array(path: Path, key: str | None) -> AnyArray:
    """Two dimensions, or three with one picture per band."""
    found = read_array(path, MASK_KEYS, key)
    array = found[0] if found.ndim == 3 and found.shape[0] == 1 else found
    if array.ndim not in (2, 3) or array.size == 0:
        raise CalibrationInvalidError(
            f"{path} holds an array of shape {array.shape}, expected a mask of two dimensions (rows, columns), or of "
            "three with one picture per band"
        )
    return array


def _transmission(array: AnyArray, path: Path) -> Array32:
    """Values 0..1, of whole numbers after division by their full scale."""
    if array.dtype.kind not in "biuf":
        raise CalibrationInvalidError(f"the mask in {path} is of type {array.dtype}, expected real numbers")
    with np.errstate(over="ignore"):
        mask = array.astype(np.float32)
    if not np.isfinite(mask).all():
        raise CalibrationInvalidError(f"the mask in {path} holds NaN or infinite values; repair or export it again")
    if array.dtype.kind in "iu" and mask.max() > 1:
        scales = [2.0**bits - 1 for bits in ((8,) if array.dtype == np.uint8 else (8, 10, 12, 14, 16))]
        mask /= np.float32(next((scale for scale in scales if mask.max() <= scale), 1.0))
    if mask.min() < -0.01 or mask.max() > 1.01 or mask.max() <= 0:
        raise CalibrationInvalidError(
            f"the mask in {path} spans {mask.min():g}..{mask.max():g}, expected transmissions in 0..1 or whole numbers "
            "up to a camera's full scale; scale it"
        )
    return mask


def _crop(mask: Array32, path: Path, system: System, largest_shift: int, width: int | None) -> Array32:
    height, columns = mask.shape
    margin = 0 if system.single_disperser else largest_shift
    if width is None:
        spare = columns - (height + margin)
        square = not system.single_disperser and 0 <= spare <= SPARE_COLUMNS
        width = height if square else max(1, columns - margin)
    if width < 1 or columns < width + margin:
        raise CalibrationInvalidError(
            f"the mask in {path} has {columns} columns; a scene of {width} columns with shifts up to {largest_shift} "
            f"px in a {system} system needs {max(width, 1) + margin}: give a smaller width or step, or a wider mask"
        )
    return mask[:, : width + margin]
