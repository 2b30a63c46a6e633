"""Reconstructed cubes beside the true ones: the same frames, the same bands."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.app.cube_file import CubeFile, is_cube_file, read_truth
from livecassi.app.recording.errors import RecordingError

SAME_BAND_NM = 0.5


@dataclass(frozen=True, slots=True)
class Pair:
    """`found` and `expected`, both `(N, C, H, W)`; the camera's `frame_indices (N,)`, None where no file has them."""

    found: NDArray[np.float32]
    expected: NDArray[np.float32]
    frame_indices: tuple[int, ...] | None


def read_pair(reconstruction: Path, truth: Path) -> Pair:
    """Cubes and truths of the same frames.

    Where both files say so, frames are paired by their index and bands compared by wavelength; a single true cube
    stands for every frame. Raises `RecordingError`.
    """
    found, expected = read_truth(reconstruction), read_truth(truth)
    indices = _frame_indices(reconstruction) if is_cube_file(reconstruction) else None
    if is_cube_file(reconstruction) and is_cube_file(truth):
        with CubeFile(reconstruction) as one, CubeFile(truth) as other:
            _check_bands(one, other)
            if len(other) > 1:
                expected = expected[_positions(one, other)]
    if len(expected) == 1 and len(found) > 1:
        expected = np.broadcast_to(expected, (len(found), *expected.shape[1:]))
    return Pair(found, expected, indices)


def _frame_indices(path: Path) -> tuple[int, ...]:
    with CubeFile(path) as cubes:
        return tuple(cubes.frame_indices.tolist())


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
