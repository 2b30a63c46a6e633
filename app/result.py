"""What the session hands to the screen."""

from dataclasses import dataclass

from livecassi.calibration import MeasurementFlag
from livecassi.drivers import Frame
from livecassi.engines import Cube
from livecassi.engines.frame_engine import Seen


@dataclass(frozen=True, slots=True)
class Result:
    """The newest frame that had its turn at the engine, what to know of its correction, and the newest cube that came.

    The cube may be of an earlier frame, named by its `frame_index`: an engine that looks at a window of frames gives
    it late, and between two passes the same cube comes again with newer frames. None: no engine has given a cube.
    `seen` is what the engine showed last, never older than the cube; None for an engine that gives cubes only.
    `reconstruct_ms` is the time per cube.
    """

    frame: Frame
    flags: MeasurementFlag
    cube: Cube | None
    reconstruct_ms: float
    seen: Seen | None = None

    def has_cube_of(self, frame: Frame) -> bool:
        """Whether the cube is that of this frame."""
        return self.cube is not None and self.cube.frame_index == frame.index
