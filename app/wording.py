"""Quantities as people read them."""

from livecassi.calibration import CalibrationError, CalibrationHeader, MeasurementFlag
from livecassi.drivers import Frame, LivecassiError, SourceError, SourceLostError
from livecassi.engines import EngineError, EngineInfo
from livecassi.engines.errors import PreparationError, WeightsError
from livecassi.engines.weights import TrainingState


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


def correction_text(flags: MeasurementFlag, frame: Frame, header: CalibrationHeader) -> tuple[str, str]:
    """What to know about the correction of a frame: a few words and an explanation; empty where all is well."""
    if flags & MeasurementFlag.DARK_MISMATCH:
        differing = _differing(flags, frame, header)
        return f"not as calibrated: {', '.join(words for words, _ in differing)}", (
            f"The calibration's dark frame was taken with other settings: {'; '.join(told for _, told in differing)}. "
            "Dark places may be off. Go back to the calibrated settings or calibrate again"
        )
    if MeasurementFlag.PEDESTAL_REMOVED in flags:
        return "pedestal removed", (
            "The calibration holds no dark frame: a constant estimated from the first frame is subtracted instead"
        )
    if MeasurementFlag.NO_DARK in flags:
        return "no dark frame", "The calibration holds no dark frame: nothing was subtracted"
    return "", ""


def _differing(flags: MeasurementFlag, frame: Frame, header: CalibrationHeader) -> list[tuple[str, str]]:
    """Each setting that is not as calibrated, shortly and with both numbers."""
    parts = []
    if MeasurementFlag.EXPOSURE_MISMATCH in flags and header.exposure_us is not None:
        found, stored = frame.exposure_us / 1000, header.exposure_us / 1000
        parts.append((f"exposure {found:g} ms", f"exposure {found:g} ms now, {stored:g} ms when it was calibrated"))
    if MeasurementFlag.GAIN_MISMATCH in flags and header.gain_db is not None:
        gain = f"gain {frame.gain_db:g} dB"
        parts.append((gain, f"{gain} now, {header.gain_db:g} dB when it was calibrated"))
    if (
        MeasurementFlag.TEMPERATURE_MISMATCH in flags
        and frame.temperature_c is not None
        and header.temperature_c is not None
    ):
        warmth = f"sensor at {frame.temperature_c:.1f} °C"
        parts.append((warmth, f"{warmth} now, {header.temperature_c:.1f} °C when it was calibrated"))
    return parts


def pace_lines(info: EngineInfo) -> list[str]:
    """What to know about an engine's cubes: how late they come, and whether it was made for this bench."""
    lines = []
    if info.latency:
        lines.append(f"shows the scene {info.latency} {'frame' if info.latency == 1 else 'frames'} late")
    if info.hop > 1:
        lines.append(f"{info.hop} frames per pass")
    if not lines and info.window > 1:
        lines.append(f"looks at {info.window} frames for each cube")
    if adaptation_words(info):
        lines.append("adapted to this bench: an approximation")
    return lines


def adaptation_words(info: EngineInfo) -> str:
    """How the network of an engine was adapted to bands that it was not made for; empty where it was not."""
    return dict(info.options).get("adapted", "")


def weights_words(info: EngineInfo) -> tuple[str, str]:
    """The weights that an engine runs with, and a word of caution about them; empty where there are none."""
    weights = dict(info.options).get("weights", "")
    for state in (TrainingState.PARTLY_TRAINED, TrainingState.UNTRAINED):
        if weights.endswith(note := f" ({state})"):
            return weights.removesuffix(note), str(state)
    return weights, ""


def headline(error: Exception) -> str:
    """The few words above an error's message, by what the operator can do about it."""
    from livecassi.app.engine_slot import EngineFailedError
    from livecassi.app.recording import RecordingError

    cause = error.__cause__ if isinstance(error, EngineFailedError) else error
    if isinstance(error, SourceLostError):
        return "The camera is gone"
    if isinstance(error, RecordingError):
        return "The recording has a problem"
    if isinstance(error, SourceError):
        return "The source cannot deliver"
    if isinstance(error, CalibrationError):
        return "The calibration does not fit"
    if isinstance(cause, WeightsError):
        return "The weights cannot be used"
    if isinstance(cause, PreparationError):
        return "The network could not be prepared"
    if isinstance(error, EngineError):
        return "The engine cannot reconstruct"
    if isinstance(error, LivecassiError):
        return "That cannot be done"
    return "Unexpected error: a defect of livecassi"
