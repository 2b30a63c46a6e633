"""The contract of engines that take the raw frames of a camera and show by themselves what they make of them.

Such an engine works on a device of its own. A cube is large and its way back is long: what a screen needs of it, a
picture and a few spectra, is made there, and the cube itself comes only where it is wanted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from livecassi.drivers import Frame
from livecassi.engines.cube import Cube
from livecassi.engines.engine import Engine


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of the frames to come: their cubes or not, a picture, and the spectra of some pixels.

    In the picture a flat spectrum of `white_level` is white. A spectrum is the mean of the `pick_size` x `pick_size`
    pixels around each pick (row, column) that lie inside the scene; of picks outside, and of those beyond the eighth,
    there is none.
    """

    cubes: bool = True
    white_level: float = 1.0
    picks: tuple[tuple[int, int], ...] = ()
    pick_size: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """What a device made of a frame: `picture (H, W, 3)` uint8, sRGB, and `spectra`, `(C,)` float32 for each pick.

    `white_level` and `pick_size` are those of `Wanted` when the frame was reconstructed.
    """

    picture: NDArray[np.uint8]
    white_level: float
    spectra: Mapping[tuple[int, int], NDArray[np.float32]]
    pick_size: int
    frame_index: int
    host_time_ns: int


@dataclass(frozen=True, slots=True)
class Made:
    """What an engine gave for a frame: its cube, where that was wanted, and what was seen of it, where an engine can.

    Arrays are of their own and stay as they are.
    """

    cube: Cube | None
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Colours:
    """How a device renders: `matrix(wavelengths_nm)` gives `(3, C)` from a cube to linear sRGB, white at 1.

    `table (4096,)` uint8 are the bytes of as many levels of linear light, 0 to 1.
    """

    matrix: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    table: NDArray[np.uint8]


@runtime_checkable
class FrameEngine(Engine, Protocol):
    """An engine that corrects frames itself. `reconstruct` and the rest take corrected measurements all the same.

    Frames and measurements are two sequences that know nothing of each other.
    """

    def want(self, wanted: Wanted) -> None:
        """What is wanted of the frames to come; from any thread, and cheap."""
        ...

    def reconstruct_frame(self, frame: Frame, pedestal: float = 0.0, more: bool = False) -> list[Made]:
        """Take a raw frame `(H, W')` and give what is due, oldest first, see `EngineInfo.latency`.

        `pedestal`, of full scale, is subtracted. With `more` another frame waits: what is under way may be given with
        a later call, so that the device never waits. Raises `EngineMismatchError` for a frame of another size and for
        one that is a measurement already, and `EngineError` where the device fails, after which the frames so far and
        what is owed to them are forgotten.
        """
        ...

    def observe_frame(self, frame: Frame, pedestal: float = 0.0) -> None:
        """Take a raw frame as a neighbour of those to come. Raises as `reconstruct_frame`."""
        ...

    def flush_frames(self) -> list[Made]:
        """What is still owed to raw frames, oldest first: their sequence ends here."""
        ...
