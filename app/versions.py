"""The versions of a calibration as people look through them: what lies in the library, in words, and what differs."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from livecassi.app.calibrating.library import Difference, Library, Version, differences
from livecassi.calibration import Calibration, CalibrationInvalidError
from livecassi.calibration.checks import Verdict
from livecassi.calibration.store import load_calibration, load_header

SHORT_ID = 8
SAID = {Verdict.PASS: "passed", Verdict.WARN: "warnings", Verdict.FAIL: "failed"}
NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file among the calibrations that cannot be read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """The whole library at one time, newest first."""

    folder: Path
    versions: tuple[Version, ...] = ()
    damaged: tuple[Damaged, ...] = ()

    def find(self, calibration_id: str) -> Version | None:
        """The version of this whole id."""
        return next((version for version in self.versions if version.id == calibration_id), None)

    @property
    def active(self) -> Version | None:
        """The one in use."""
        return next((version for version in self.versions if version.active), None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A version with its content, and in what it differs from another one (`None`: there is no other one)."""

    chosen: Calibration
    found: tuple[Difference, ...] | None


def read_shelf(library: Library) -> Shelf:
    """Everything in the library; files that cannot be read are named with the reason, not fatal."""
    versions = tuple(library.versions())
    listed = {version.path for version in versions}
    damaged = []
    for path in sorted(library.folder.glob("*.h5")) if library.folder.is_dir() else ():
        if path in listed:
            continue
        try:
            load_header(path)  # one that was being written a moment ago is listed the next time
        except CalibrationInvalidError as error:
            damaged.append(Damaged(path, str(error)))
    return Shelf(library.folder, versions, tuple(damaged))


def compare(chosen: Path, other: Path | Calibration | None) -> Comparison:
    """Read a version, and what it changes against another one, a file or what is in memory.

    Raises `CalibrationInvalidError` where a file is damaged or gone.
    """
    calibration = load_calibration(chosen)
    if other is None:
        return Comparison(calibration, None)
    old = load_calibration(other) if isinstance(other, Path) else other
    return Comparison(calibration, tuple(differences(old, calibration)))


# ---- in words --------------------------------------------------------------------------------------------------------


def title(version: Version) -> str:
    """Name and first digits of the id."""
    return f"{version.name or 'without a name'} · {version.id[:SHORT_ID]}"


def made_text(created: str, zone: tzinfo | None = None) -> str:
    """When a calibration was made, in the local time or that of `zone`; a date without a zone is one of UTC."""
    try:
        made = datetime.fromisoformat(created)
    except ValueError:
        return "undated"
    made = made if made.tzinfo is not None else made.replace(tzinfo=UTC)
    return f"{made.astimezone(zone):%Y-%m-%d %H:%M}"


def verdict_text(version: Version) -> tuple[str, Verdict | None]:
    """How a version was judged: one word and its verdict, None where nobody judged it."""
    judged = version.verdict.partition(",")[0]
    if judged not in tuple(Verdict):
        return NOT_MEASURED, None
    return SAID[Verdict(judged)], Verdict(judged)


def verdict_hint(version: Version) -> str:
    """The same at length: somebody may have gone on in spite of it."""
    word, _ = verdict_text(version)
    _, continued, how = version.verdict.partition(", ")
    return f"{word}, {how}" if continued else word


def parent_text(version: Version, shelf: Shelf) -> str:
    """Which version it descends from: name and id, an id that is not here, or empty."""
    if not version.parent_id:
        return ""
    parent = shelf.find(version.parent_id)
    return title(parent) if parent is not None else f"{version.parent_id[:SHORT_ID]}, not here any more"


def usual_other(chosen: Version, shelf: Shelf) -> Version | None:
    """What a version is compared with unless somebody chooses: the one in use; that one with its parent or the next
    older one."""
    active = shelf.active
    if active is not None and active.id != chosen.id:
        return active
    parent = shelf.find(chosen.parent_id)
    if parent is not None and parent.id != chosen.id:
        return parent
    older = shelf.versions[shelf.versions.index(chosen) + 1 :]
    return next((version for version in older if version.id != chosen.id), None)


def size_text(difference: Difference) -> str:
    """How much, with its unit; empty where there is no number for it."""
    if difference.size is None:
        return ""
    size = difference.size
    number = f"{size:.0f}" if size == round(size) or abs(size) >= 1000 else f"{size:#.3g}".rstrip(".")
    return f"{number.replace('-', '−')} {difference.unit}".rstrip()


def content_lines(calibration: Calibration) -> list[str]:
    """Bands and frames; who made it, with which optics; notes."""
    header, record = calibration.header, calibration.header.record
    nm = calibration.wavelengths_nm
    height, width = calibration.measurement_shape
    operator, optics = (record.operator, record.optics) if record is not None else ("", "")
    who = [
        f"by {operator}" if operator else "",
        f"camera {header.camera_serial}" if header.camera_serial else "",
        optics,
    ]
    lines = [
        f"{calibration.bands} bands, {nm[0]:.0f}–{nm[-1]:.0f} nm · frames of {height} × {width} px",
        " · ".join(part for part in who if part),
        header.notes,
    ]
    return [line for line in lines if line]
