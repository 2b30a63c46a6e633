"""The steps of a calibration: which capture, of how many frames, in which state of the bench."""

from dataclasses import dataclass
from pathlib import Path

from livecassi.calibration.capture import CaptureKind, Line

USUAL_FILL = 0.7  # of full scale: bright, with room above for noise and for pixels that are more sensitive

_INSTRUCTIONS = {
    CaptureKind.DARK: "Close the shutter or put the cap on the lens, so that no light reaches the sensor.",
    CaptureKind.FLAT: "Take the mask out. Let even white light fill the field.",
    CaptureKind.MASK: "Put the mask in and take the disperser out. Let white light fill the field.",
    CaptureKind.LINE: "Put mask and disperser in. Let {line} alone light an even white target that fills the field.",
    CaptureKind.CHART: "Take mask and disperser out. Show the chessboard, in another place and turn than before.",
    CaptureKind.WHITE: "Put mask and disperser in. Put the white reference under the lamp of the scene.",
    CaptureKind.VERIFY: "Put mask and disperser in. Let {line} alone light the white target: no fit has seen it.",
}
_CAP_OFF = frozenset(CaptureKind) - {CaptureKind.DARK}


@dataclass(frozen=True, slots=True)
class CaptureStep:
    """One capture that a plan asks for.

    `exposure_us`, `gain_db` None: as the camera is set. `frames_from`: raw frames on disk (a recording or a folder of
    pictures) instead of the camera's. `optional`: a calibration can be fitted without it. `fill`: how bright the
    brightest 0.1 % of the pixels should be, of full scale. `view`: which of several views of a chart, from 0.
    `bit_depth`: of the frames on disk, where the files do not tell.
    """

    kind: CaptureKind
    frames: int
    line: Line | None = None
    exposure_us: float | None = None
    frames_from: Path | None = None
    optional: bool = False
    gain_db: float | None = None
    fill: float = USUAL_FILL
    view: int = 0
    bit_depth: int | None = None

    @property
    def title(self) -> str:
        """For people: 'dark', 'line 546.1 nm', 'flat at 5 ms', 'chart, view 3'."""
        if self.line is not None:
            return f"{self.kind} {self.line.title}"
        if self.kind is CaptureKind.CHART:
            return f"{self.kind}, view {self.view + 1}"
        if self.kind in (CaptureKind.DARK, CaptureKind.FLAT) and self.exposure_us is not None:
            return f"{self.kind} at {exposure_text(self.exposure_us)}"
        return str(self.kind)

    @property
    def instruction(self) -> str:
        """What a person does at the bench before this capture."""
        text = _INSTRUCTIONS[self.kind].format(line=self.line.title if self.line is not None else "one line")
        if self.kind in _CAP_OFF and self.exposure_us is not None:
            at = exposure_text(self.exposure_us)
            text += f" At {at} the brightest pixels should read about {100 * self.fill:.0f} % of full scale."
        return text


def exposure_text(exposure_us: float) -> str:
    """An exposure as people read it: "850 µs", "5 ms", "1.2 s"."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if exposure_us >= size:
            return f"{exposure_us / size:.3g} {unit}"
    return f"{exposure_us:.3g} µs"
