"""What is read out of one filled camera buffer before it goes back: pixels, number and time."""

from typing import Any

import numpy as np

from livecassi.drivers.errors import SourceUnsupportedError
from livecassi.drivers.frame import Pixels

_WRAP = 65536


def copy_pixels(buffer: Any, camera: str) -> Pixels:
    """The picture `(H, W')` of the first component, without padding; a copy, as the buffer is written again.

    Raises `SourceUnsupportedError` where the buffer carries no grey picture.
    """
    components = buffer.payload.components
    if not components:
        raise SourceUnsupportedError(
            f"{camera} sends buffers without a picture; switch chunk data off or the picture component on"
        )
    picture = components[0]
    height, width = int(picture.height), int(picture.width)
    data = picture.data
    per_line = data.size // height if height else 0
    if data.dtype not in (np.uint8, np.uint16) or per_line < width or picture.num_components_per_pixel != 1:
        raise SourceUnsupportedError(
            f"{camera} sends {picture.data_format} with {data.size} values of {data.dtype} for {height} x {width} "
            "pixels, expected one unpacked grey value per pixel; choose Mono8, Mono10, Mono12 or Mono16"
        )
    pixels: Pixels = np.array(data[: height * per_line].reshape(height, per_line)[:, :width], order="C")
    return pixels


def device_time_ns(buffer: Any) -> int | None:
    """The camera's own clock, None where it has none."""
    from genicam.gentl import GenericException

    try:
        ticks, ticks_per_s = int(buffer.timestamp), int(buffer.timestamp_frequency)
    except (GenericException, AttributeError):  # harvesters looks for a node that only GigE cameras have
        return None
    return ticks * 1_000_000_000 // ticks_per_s if ticks and ticks_per_s else None


class FrameNumbers:
    """Rising frame numbers out of the ids of a camera, and how many frames are `missing` between them.

    Ids may be 16 bit wide and wrap; GigE Vision 1.x leaves out 0 when they do. A camera without ids is counted.
    """

    def __init__(self, skips_zero: bool = False) -> None:
        self.missing = 0
        self._skips_zero = skips_zero
        self._id: int | None = None
        self._number = 0

    def next(self, buffer: Any) -> int:
        """The number of the frame in this buffer."""
        from genicam.gentl import GenericException

        try:
            new = int(buffer.module.frame_id)
        except GenericException:
            new = self._number + 1 if self._id is None else self._id + 1
        if self._id is None:
            self._number = new
        else:
            self._number += self._step(self._id, new)
        self._id = new
        return self._number

    def _step(self, old: int, new: int) -> int:
        step = new - old
        if step <= 0:
            wrapped = old > _WRAP // 2 and old < _WRAP and step < -_WRAP // 2
            # otherwise the camera began to count anew: nothing is known to be lost
            step = max(1, step + _WRAP - self._skips_zero) if wrapped else 1
        self.missing += step - 1
        return step
