"""Quantities as people read them."""

from livecassi.calibration import CalibrationError
from livecassi.drivers import LivecassiError, SourceError, SourceLostError
from livecassi.engines import EngineError


def bytes_text(count: float) -> str:
    """1 530 000 as "1.5 MB" (powers of ten, as disks are sold)."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration_text(seconds: float) -> str:
    """How long something lasts, roughly: "40 s", "12 min", "3.5 h", "9 days"."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    days = seconds / 86_400
    return f"{days:.0f} days" if days < 1000 else "years"


def clock_text(seconds: float) -> str:
    """A running time: "0:07.3", "12:40.0", "1:02:03.0"."""
    minutes, rest = divmod(max(seconds, 0.0), 60)
    rest = min(rest, 59.9)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def headline(error: Exception) -> str:
    """The few words above an error's message, by what the operator can do about it."""
    from livecassi.app.recording import RecordingError

    if isinstance(error, SourceLostError):
        return "The camera is gone"
    if isinstance(error, RecordingError):
        return "The recording has a problem"
    if isinstance(error, SourceError):
        return "The source cannot deliver"
    if isinstance(error, CalibrationError):
        return "The calibration does not fit"
    if isinstance(error, EngineError):
        return "The engine cannot reconstruct"
    if isinstance(error, LivecassiError):
        return "That cannot be done"
    return "Unexpected error: a defect of livecassi"
