"""Reconstructed cubes beside the true ones: the same frames, the same bands."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.app.cube_file import CubeFile, is_cube_file, read_truth
from livecassi.app.recording.errors import RecordingError

SAME_BAND_NM = 0.5


def read_pair(reconstruction: Path, truth: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`(found, expected)`, both `(N, C, H, W)`.

    Where both files say so, frames are paired by their index and bands compared by wavelength; a single true cube
    stands for every frame. Raises `RecordingError`.
    """
    found, expected = read_truth(reconstruction), read_truth(truth)
    if is_cube_file(reconstruction) and is_cube_file(truth):
        with CubeFile(reconstruction) as one, CubeFile(truth) as other:
            _check_bands(one, other)
            if len(other) > 1:
                expected = expected[_positions(one, other)]
    if len(expected) == 1 and len(found) > 1:
        expected = np.broadcast_to(expected, (len(found), *expected.shape[1:]))
    return found, expected


def _check_bands(one: CubeFile, other: CubeFile) -> None:
    a, b = one.wavelengths_nm, other.wavelengths_nm
    if len(a) == len(b) and np.abs(a - b).max() > SAME_BAND_NM:
        band = int(np.abs(a - b).argmax())
        raise RecordingError(
            f"band {band} of {one.path} lies at {a[band]:g} nm, of {other.path} at {b[band]:g} nm; "
            "expected the same bands: reconstruct with the calibration that the truth was made for"
        )


def _positions(one: CubeFile, other: CubeFile) -> list[int]:
    where = {int(index): position for position, index in enumerate(other.frame_indices)}
    missing = [int(index) for index in one.frame_indices if int(index) not in where]
    if missing:
        raise RecordingError(
            f"{other.path} holds no truth for frame {missing[0]} ({len(missing)} of {len(one)} frames are missing); "
            "expected one true cube per reconstructed frame: choose the truth of this recording"
        )
    return [where[int(index)] for index in one.frame_indices]
