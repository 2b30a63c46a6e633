"""What a hand can change on the simulated bench: the light, the cap, the target, and what is pushed aside."""

from dataclasses import dataclass
from enum import StrEnum

from livecassi.calibration.capture import Line


class Target(StrEnum):
    """What the bench looks at."""

    SCENE = "scene"  # the moving scene
    WHITE = "white"  # an even white reference that fills the field
    CHESSBOARD = "chessboard"


@dataclass(frozen=True, slots=True)
class BenchState:
    """The bench as it stands. `line` None: the lamp of the scene; else only that narrow light, as bright as it.

    `level` scales the light. `drift_px` (along, across the dispersion) displaces the picture of the mask on the
    camera, as a bench does that warms up; the scene's place on the camera stays. Every `chart_pose` of the chessboard
    hangs otherwise; 0 hangs straight.
    """

    target: Target = Target.SCENE
    line: Line | None = None
    level: float = 1.0
    cap_on: bool = False
    mask_in: bool = True
    disperser_in: bool = True
    drift_px: tuple[float, float] = (0.0, 0.0)
    chart_pose: int = 0
