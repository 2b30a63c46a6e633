"""What a network that takes camera frames is told about bench and picks, see `exporting.frame_graph`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration

Array32 = NDArray[np.float32]


def correction_inputs(
    calibration: Calibration, bit_depth: int, pedestal: float = 0.0, brightness: float = 1.0, columns: int | None = None
) -> dict[str, Array32]:
    """`gain` and `offset` `(H, W')`: pixel * gain + offset is what `Corrector` makes of it, times `brightness`.

    Of the frame the first `columns` count, all for None.
    """
    gain = np.full(calibration.measurement_shape, 1 / (2**bit_depth - 1))
    if calibration.flat is not None:
        gain /= calibration.flat
    offset = np.full_like(gain, -pedestal)
    if calibration.dark is not None:
        offset -= calibration.dark * gain
    return {
        name: np.ascontiguousarray((brightness * values)[:, :columns], np.float32)
        for name, values in (("gain", gain), ("offset", offset))
    }


def pick_weights(picks: Sequence[tuple[int, int]], size: int, scene: tuple[int, int], places: int) -> Array32:
    """`(places, H * W)`: the shares of the `size` x `size` pixels around each pick (row, column), inside the scene.

    Places without a pick are 0. Raises `IndexError` for a pick outside the scene `(H, W)` and for more than `places`.
    """
    weights = np.zeros((places, *scene), np.float32)
    if len(picks) > places:
        raise IndexError(f"{len(picks)} picks found, the network was exported for {places}")
    reach = size // 2
    for place, (row, column) in zip(weights, picks, strict=False):
        if not (0 <= row < scene[0] and 0 <= column < scene[1]):
            raise IndexError(f"pixel ({row}, {column}) lies outside a scene of {scene[0]} x {scene[1]}")
        window = place[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
        window[:] = 1 / window.size
    return weights.reshape(places, -1)
