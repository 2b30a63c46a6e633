"""What may be compared: cubes beside their truths, frame by frame, before anything is counted."""

from collections.abc import Iterable, Iterator
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import MetricsError

LARGEST = float(np.finfo(np.float32).max)  # squares of squares are still numbers


def frame_pairs(
    cubes: Iterable[NDArray[np.floating]], truths: Iterable[NDArray[np.floating]]
) -> Iterator[tuple[NDArray[np.floating], NDArray[np.floating]]]:
    """Each cube `(C, H, W)` with its truth, one pair in memory at a time.

    Raises `MetricsError` for sequences that are empty or of different length.
    """
    count = 0
    for cube, truth in zip_longest(cubes, truths):
        if cube is None or truth is None:
            longer = "truths than cubes" if cube is None else "cubes than truths"
            raise MetricsError(
                f"found different numbers of frames, more {longer} after the first {count}; expected one truth "
                "for every cube: choose the same frames of both"
            )
        yield cube, truth
        count += 1
    if not count:
        raise MetricsError("found no frames to score; expected at least one cube with its truth")


def check_comparable(cube: NDArray[np.floating], truth: NDArray[np.floating], smallest: int, needed_by: str) -> None:
    """Same shape `(C, H, W)`, finite floating-point values, and `smallest` pixels a side as `needed_by` asks.

    Raises `MetricsError`.
    """
    if truth.ndim != 3:
        raise MetricsError(f"the truth has shape {truth.shape}, expected (bands, rows, columns)")
    if cube.shape != truth.shape:
        raise MetricsError(
            f"the cube has shape {cube.shape}, the truth {truth.shape}; both must be (bands, rows, columns) on the "
            "same bands and pixels: resample one of them"
        )
    if min(truth.shape[1:]) < smallest:
        raise MetricsError(
            f"the cube has {truth.shape[1]} x {truth.shape[2]} pixels, {needed_by} needs at least "
            f"{smallest} x {smallest}: compare a larger part of the scene"
        )
    for name, array in (("cube", cube), ("truth", truth)):
        if not np.issubdtype(array.dtype, np.floating):
            raise MetricsError(
                f"the {name} holds {array.dtype}, expected floating-point values of full scale 1; "
                "divide integers by their full scale"
            )
        if bad := int(np.count_nonzero(~np.isfinite(array))):
            raise MetricsError(f"the {name} holds {bad} NaN or infinite values, expected finite numbers; repair it")
        if (largest := float(np.abs(array).max())) > LARGEST:
            raise MetricsError(
                f"the {name} holds values up to {largest:g}, expected numbers of full scale 1; divide by full scale"
            )
