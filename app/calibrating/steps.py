"""The steps of a calibration: which capture, of how many frames, in which state of the bench."""

from dataclasses import dataclass
from pathlib import Path

from livecassi.calibration.capture import CaptureKind, Line


@dataclass(frozen=True, slots=True)
class CaptureStep:
    """One capture that a plan asks for.

    `exposure_us` None: as the plan sets the camera. `frames_from`: raw frames on disk (a recording or a folder of
    pictures) instead of the camera's. `optional`: a calibration can be fitted without it.
    """

    kind: CaptureKind
    frames: int
    line: Line | None = None
    exposure_us: float | None = None
    frames_from: Path | None = None
    optional: bool = False

    @property
    def title(self) -> str:
        """For people: 'dark', 'line 546.1 nm', 'flat at 5 ms'."""
        raise NotImplementedError

    @property
    def instruction(self) -> str:
        """What a person does at the bench before this capture."""
        raise NotImplementedError
