"""The draft: a folder that keeps plan and captures while a calibration is being made, whatever happens.

`draft.json` (plan, order of captures, removed ones, overrides) is replaced whole after every change; a capture is one
file `captures/ID.h5`, written whole before `draft.json` names it, and kept when it is removed, so that every step can
be undone and nothing captured is lost. A capture that a crash left unnamed is taken up again by `open`.
"""

import logging
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from livecassi.app.calibrating.draft_file import CAPTURES, DRAFT_FILE, DraftEntry, DraftFile, read_draft_file
from livecassi.app.calibrating.places import calibrations_folder
from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.calibration import CalibrationError, CalibrationInvalidError
from livecassi.calibration.capture import Capture
from livecassi.calibration.capture_file import load_capture, save_capture
from livecassi.calibration.whole_file import keep_names, write_whole_file

log = logging.getLogger(__name__)

LOCK = "draft.lock"
PART = ".part"  # ending of what was not whole yet


class Draft:
    """A calibration in the making, for one program and one thread at a time. A context manager; `close` lets it go.

    `damaged` names captures that could not be read when it was opened, each in words.
    """

    def __init__(self, folder: Path, file: DraftFile, lock: FileLock) -> None:
        """Use `create` or `open`."""
        self.folder = folder
        self.damaged: tuple[str, ...] = ()
        self._file = file
        self._lock = lock
        self._kept: dict[str, Capture] = {}
        self._unwritten: set[str] = set()

    @classmethod
    def create(cls, folder: Path, plan: CalibrationPlan, parent_id: str = "") -> "Draft":
        """A new draft in a folder that is not there yet. Raises `CalibrationError` where it cannot be written."""
        if folder.exists():
            raise CalibrationError(f"there is something at {folder} already; choose another folder for the draft")
        file = DraftFile(created=datetime.now(UTC).isoformat(timespec="seconds"), plan=plan, parent_id=parent_id)
        making = folder.with_name(f".{folder.name}{PART}")
        try:
            shutil.rmtree(making, ignore_errors=True)  # a crash left it
            (making / CAPTURES).mkdir(parents=True)
            write_whole_file(making / DRAFT_FILE, file.content())
            making.rename(folder)
            keep_names(folder.parent)
        except OSError as error:
            shutil.rmtree(making, ignore_errors=True)
            raise _cannot_write(folder, error) from error
        return cls(folder, file, _locked(folder))

    @classmethod
    def open(cls, folder: Path) -> "Draft":
        """Go on with a draft, also after a crash; captures that cannot be read are named in `damaged`, not fatal.

        Raises `CalibrationError` where there is none, or another program has it open.
        """
        read_draft_file(folder)
        lock = _locked(folder)
        try:
            draft = cls(folder, read_draft_file(folder), lock)  # what another wrote before it let go
            draft._read_captures()
        except BaseException:
            lock.release()
            raise
        return draft

    # ---- what it holds -------------------------------------------------------------------------------------------

    @property
    def plan(self) -> CalibrationPlan:
        """The plan as it stands."""
        return self._file.plan

    @property
    def parent_id(self) -> str:
        """The calibration that this one is going to be a new version of; empty for none."""
        return self._file.parent_id

    @property
    def created(self) -> str:
        """When it was begun: ISO 8601, UTC."""
        return self._file.created

    @property
    def captures(self) -> Sequence[Capture]:
        """Those that count, oldest first."""
        return [self._kept[e.id] for e in self._file.captures if not e.removed and e.id in self._kept]

    @property
    def removed(self) -> Sequence[Capture]:
        """Those that were taken out and can be restored, oldest first."""
        return [self._kept[e.id] for e in self._file.captures if e.removed and e.id in self._kept]

    @property
    def overrides(self) -> tuple[str, ...]:
        """Every "continue anyway" with its reason."""
        return self._file.overrides

    @property
    def unwritten(self) -> Sequence[Capture]:
        """Captures that the disk has refused so far and that only memory holds; `retry` tries again."""
        return [self._kept[entry.id] for entry in self._file.captures if entry.id in self._unwritten]

    # ---- changes; each raises `CalibrationError` where the disk refuses, and is then kept in memory ----------------

    def add(self, capture: Capture) -> None:
        """Keep a capture on disk. Raises `CalibrationError` where the disk refuses; then it is kept in memory, and the
        next change of the draft, or `retry`, tries again."""
        if capture.id in self._kept:
            self._mark(capture.id, removed=False)
            return
        self._kept[capture.id] = capture
        self._unwritten.add(capture.id)
        others = tuple(entry for entry in self._file.captures if entry.id != capture.id)  # a damaged one is replaced
        self._change(captures=(*others, DraftEntry(id=capture.id, title=capture.title)))

    def remove(self, capture_id: str) -> None:
        """Take a capture out of the fit; its file stays. Raises `CalibrationError`, also for one that is not there."""
        self._mark(capture_id, removed=True)

    def restore(self, capture_id: str) -> None:
        """Undo `remove`."""
        self._mark(capture_id, removed=False)

    def change_plan(self, plan: CalibrationPlan) -> None:
        """Another plan; captures stay."""
        self._change(plan=plan)

    def override(self, what: str, reason: str) -> None:
        """Log that a person went on although a check failed."""
        self._change(overrides=(*self._file.overrides, f"{what}: continued anyway because {reason.strip() or '-'}"))

    def retry(self) -> None:
        """Write what the disk refused before. Raises `CalibrationError` where it still does."""
        self._write()

    def discard(self) -> None:
        """Remove the folder: after saving, or where the operator says so. Raises `CalibrationError`."""
        self.close()
        gone = self.folder.with_name(f".{self.folder.name}{PART}")
        try:
            shutil.rmtree(gone, ignore_errors=True)
            self.folder.rename(gone)  # at once: half a draft is none
            shutil.rmtree(gone)
        except OSError as error:
            raise CalibrationError(
                f"the draft {self.folder} cannot be removed ({error.strerror or error}); remove the folder by hand"
            ) from error

    def close(self) -> None:
        """Let another program have it; the folder stays. Idempotent."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- inside --------------------------------------------------------------------------------------------------

    def _mark(self, capture_id: str, *, removed: bool) -> None:
        entries = tuple(
            entry.model_copy(update={"removed": removed}) if entry.id == capture_id else entry
            for entry in self._file.captures
        )
        if capture_id not in self._kept:
            raise CalibrationError(f"the draft {self.folder} has no capture {capture_id}; choose one that it has")
        self._change(captures=entries)

    def _change(self, **changes: object) -> None:
        self._file = self._file.model_copy(update=changes)
        self._write()

    def _write(self) -> None:
        """Captures first, then the list that names them."""
        try:
            for capture in self.unwritten:
                save_capture(capture, self._path(capture.id))
                self._unwritten.discard(capture.id)
            write_whole_file(self.folder / DRAFT_FILE, self._file.content())
        except OSError as error:
            raise _cannot_write(self.folder, error, [capture.title for capture in self.unwritten]) from error

    def _read_captures(self) -> None:
        damaged = []
        named = {entry.id for entry in self._file.captures}
        for entry in self._file.captures:
            try:
                self._kept[entry.id] = load_capture(self._path(entry.id))
            except CalibrationInvalidError as error:
                damaged.append(f"{entry.title or 'a capture'}: {error}")
        found = [self._adopted(path, damaged) for path in self._path("*").parent.glob("*.h5") if path.stem not in named]
        for capture in sorted((c for c in found if c is not None), key=lambda c: c.captured):
            log.info("%s: taking up the capture '%s', which a crash left unnamed", self.folder, capture.title)
            self._kept[capture.id] = capture
            entry = DraftEntry(id=capture.id, title=capture.title)
            self._file = self._file.model_copy(update={"captures": (*self._file.captures, entry)})
        self.damaged = tuple(damaged)
        for part in (*self.folder.glob(f".*{PART}"), *(self.folder / CAPTURES).glob(f".*{PART}")):
            part.unlink(missing_ok=True)

    @staticmethod
    def _adopted(path: Path, damaged: list[str]) -> Capture | None:
        try:
            return load_capture(path)
        except CalibrationInvalidError as error:
            damaged.append(f"a capture: {error}")
            return None

    def _path(self, capture_id: str) -> Path:
        return self.folder / CAPTURES / f"{capture_id}.h5"


def drafts_folder() -> Path:
    """Where drafts lie for this person; LIVECASSI_CALIBRATIONS names another place."""
    return calibrations_folder() / "drafts"


def new_draft_folder(folder: Path | None = None) -> Path:
    """A folder that is not there yet, named after the time, for `Draft.create`."""
    place = folder or drafts_folder()
    stem = datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    candidates = (place / (stem + (f"-{number}" if number else "")) for number in range(1000))
    return next(candidate for candidate in candidates if not candidate.exists())


def find_drafts(folder: Path | None = None) -> list[Path]:
    """Drafts that were not finished, the last changed first."""
    place = folder or drafts_folder()
    if not place.is_dir():
        return []
    found = [path for path in place.iterdir() if not path.name.startswith(".") and (path / DRAFT_FILE).is_file()]
    return sorted(found, key=lambda path: (path / DRAFT_FILE).stat().st_mtime_ns, reverse=True)


def _locked(folder: Path) -> FileLock:
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise CalibrationError(
            f"the draft {folder} is open in another livecassi; close it there, or begin a new one"
        ) from error
    except (OSError, NotImplementedError) as error:
        raise CalibrationError(
            f"the draft {folder} cannot be locked ({error}); keep drafts on a disk of this machine that can be written"
        ) from error
    return lock


def _cannot_write(folder: Path, error: OSError, unwritten: Sequence[str] = ()) -> CalibrationError:
    kept = f"; kept in memory: {', '.join(unwritten)}" if unwritten else ""
    return CalibrationError(
        f"the draft {folder} cannot be written ({error.strerror or error}){kept}. Free space or mend the disk and try "
        "again; until then do not close the program"
    )
