"""The 3-D mask of a calibration, in the files that networks of the field read."""

import io
from pathlib import Path

import numpy as np

from livecassi.calibration import Calibration, CalibrationError
from livecassi.calibration.calibration import Array32
from livecassi.calibration.whole_file import write_whole_file


def export_masks(calibration: Calibration, path: Path) -> tuple[int, int, int]:
    """Write `mask_3d_shift (H, W', C)`, `mask_3d (H, W, C)`, `mask`, `wavelengths_nm`, `dispersion_px`, `response`.

    `mask_3d`: what each band sees of the mask on the scene's own pixels, not shifted. `mask_3d_shift`: the same where
    it lands on the camera, by whole columns (each shift rounded; exact where bands lie at whole columns); behind two
    dispersers the scene does not move, so that the two are equal. Returns the shape of `mask_3d_shift`.
    Raises `CalibrationError` where the disk refuses.
    """
    from livecassi.calibration.fitting.bands import band_masks

    masks = band_masks(calibration)
    on_scene, shifted = _on_scene(masks, calibration), _on_camera(masks, calibration)
    arrays = {
        "mask_3d_shift": np.moveaxis(shifted, 0, 2),
        "mask_3d": np.moveaxis(on_scene, 0, 2),
        "mask": calibration.mask,
        "wavelengths_nm": calibration.wavelengths_nm,
        "dispersion_px": calibration.dispersion_px,
        "response": calibration.response,
    }
    content = io.BytesIO()
    if path.suffix.lower() == ".mat":
        from scipy.io import savemat

        # the stubs know names of files only, and take every keyword of NumPy for allow_pickle
        savemat(content, arrays, do_compression=True, oned_as="row")  # type: ignore[arg-type]
    else:
        np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    try:
        write_whole_file(path, content.getbuffer())
    except OSError as error:
        raise CalibrationError(
            f"the masks cannot be written to {path} ({error.strerror or error}); choose a folder that can be written"
        ) from error
    height, width, bands = arrays["mask_3d_shift"].shape
    return height, width, bands


def _on_scene(masks: Array32, calibration: Calibration) -> Array32:
    """`(C, H, W)`: behind two dispersers each band sees other columns of the mask."""
    if calibration.system.single_disperser:
        return masks
    _, _, width = calibration.cube_shape
    columns = _whole_shifts(calibration)
    return np.stack([mask[:, shift : shift + width] for mask, shift in zip(masks, columns, strict=True)])


def _on_camera(masks: Array32, calibration: Calibration) -> Array32:
    """`(C, H, W')`."""
    if not calibration.system.single_disperser:
        return _on_scene(masks, calibration)
    height, width = calibration.measurement_shape
    shifted = np.zeros((len(masks), height, width), np.float32)
    for band, (mask, shift) in enumerate(zip(masks, _whole_shifts(calibration), strict=True)):
        shifted[band, :, shift : shift + mask.shape[1]] = mask
    return shifted


def _whole_shifts(calibration: Calibration) -> list[int]:
    return [round(float(shift)) for shift in calibration.dispersion_px]
