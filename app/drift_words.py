"""What is known about the place of the mask and about a calibration, as people read it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from livecassi.app.drift_watch import DriftState
from livecassi.app.wording import duration_text
from livecassi.calibration import Calibration
from livecassi.calibration.checks import Verdict, worst
from livecassi.calibration.drift import Drift, DriftKind

CANNOT_TELL = {
    DriftKind.SCENE: "The scene is too dark or too rich in detail, or the mask is not in the picture as calibrated: "
    "look at the white reference or at one line instead",
    DriftKind.WHITE: "The frame does not look like the white reference behind this mask: "
    "let an even white target fill the picture under the lamp of the calibration",
    DriftKind.LINE: "The frame does not look like this mask under that line: "
    "let an even white target fill the picture under this light alone",
}


@dataclass(frozen=True, slots=True)
class DriftWords:
    """`headline` with its `verdict` (None: neither good nor bad), one more `detail`, and an explanation at length."""

    headline: str
    verdict: Verdict | None
    detail: str
    hint: str


def drift_words(state: DriftState, now_ns: int) -> DriftWords:
    """What the watch knows, at `now_ns` of the session's clock."""
    if state.problem:
        return DriftWords("the check failed", Verdict.WARN, "", state.problem)
    if state.report is None:
        if state.checking:
            return DriftWords("looking…", None, "", "")
        if not state.watching:
            return DriftWords("not watched", None, "", "Measurements that come corrected are checked on demand only")
        return DriftWords("not checked yet", None, "", "A frame is looked at every now and then")
    drift, age = state.report.drift, duration_text((now_ns - state.report.checked_ns) / 1e9)
    when = "looking again…" if state.checking else f"{drift.kind} {age} ago"
    if drift.along_px is None and drift.across_px is None:
        return DriftWords("cannot tell", None, when, CANNOT_TELL[drift.kind])
    worse, other = _amount(drift.across_px, "across"), _amount(drift.along_px, "along")
    if drift.along_check is not None and drift.verdict is worst((drift.along_check,)) is not Verdict.PASS:
        across = drift.across_check
        if across is None or across.verdict is not drift.verdict:
            worse, other = other, worse
    return DriftWords(worse, drift.verdict, f"{other} · {when}", drift_hint(drift))


def drift_hint(drift: Drift) -> str:
    """Each displacement with its uncertainty and its limits, and what to do."""
    lines = [
        f"{name} the dispersion: " + ("cannot be told" if value is None else f"{value:+.3f} ± {sigma:.3f} px")
        for name, value, sigma in (
            ("Across", drift.across_px, drift.across_sigma_px),
            ("Along", drift.along_px, drift.along_sigma_px),
        )
    ]
    lines += [check.words for check in drift.checks if check.verdict is not Verdict.PASS]
    return "\n".join(lines)


def alarm_words(drift: Drift) -> str:
    """One line for an alarm: how far, what that does, and what to do."""
    moved = [
        f"{abs(value):.2f} px {name}"
        for name, value, check in (
            ("across", drift.across_px, drift.across_check),
            ("along", drift.along_px, drift.along_check),
        )
        if value is not None and check is not None and check.verdict is Verdict.FAIL
    ]
    return f"The mask moved {' and '.join(moved)}: spectra are wrong. Align the bench or calibrate again"


def made_words(calibration: Calibration, now: datetime) -> tuple[str, str]:
    """The day on which a calibration was made, empty where nobody knows, and its age with the id's first digits."""
    short = calibration.id[:8]
    try:
        made = datetime.fromisoformat(calibration.header.created)
    except ValueError:
        return "", f"undated · {short}"
    made = made if made.tzinfo is not None else made.replace(tzinfo=UTC)
    return f"{made:%Y-%m-%d}", f"{duration_text((now - made).total_seconds())} old · {short}"


def judgement(calibration: Calibration) -> tuple[str, Verdict | None]:
    """How a calibration was judged when it was made; None where nobody did."""
    record = calibration.header.record
    if record is None:
        return "not measured", None
    said = {Verdict.PASS: "passed", Verdict.WARN: "warnings", Verdict.FAIL: "failed"}
    return said[record.verdict], record.verdict


def _amount(value: float | None, direction: str) -> str:
    return f"{direction} unknown" if value is None else f"{abs(value):.2f} px {direction}"
