"""The versions of a calibration: immutable files in one folder, the active one, and going back."""

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from livecassi.app.calibrating.differing import Difference, differences
from livecassi.app.calibrating.places import calibrations_folder
from livecassi.calibration import Calibration, CalibrationError, CalibrationInvalidError
from livecassi.calibration.store import load_calibration, load_header, save_calibration
from livecassi.calibration.whole_file import write_whole_file

__all__ = ["Difference", "Library", "Version", "differences"]

log = logging.getLogger(__name__)

ACTIVE_FILE = "active.json"
NOT_JUDGED = "not judged"  # an import or a simulation: there is no record


@dataclass(frozen=True, slots=True)
class Version:
    """One calibration file: its id, name, date, verdict in words, and the id it descends from."""

    path: Path
    id: str
    name: str
    created: str
    system: str
    verdict: str
    parent_id: str
    active: bool


class _Active(BaseModel):
    """`active.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["livecassi-active-calibration"] = "livecassi-active-calibration"
    id: str
    since: str


class Library:
    """A folder of calibration files named NAME-DATE-ID.h5; `active.json` says which one is in use."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or calibrations_folder()

    def versions(self) -> list[Version]:
        """Newest first; files that cannot be read are left out and logged."""
        active = self._active_id()
        found = []
        for path in self.folder.glob("*.h5") if self.folder.is_dir() else ():
            try:
                found.append(_version(path, active))
            except CalibrationInvalidError as error:
                log.warning("left out of the calibrations: %s", error)
        return sorted(found, key=lambda version: (version.created, version.path.name), reverse=True)

    def active(self) -> Version | None:
        """The one in use, None where there is none yet, or its file is gone."""
        return next((version for version in self.versions() if version.active), None)

    def find(self, calibration_id: str) -> Version:
        """The version whose id begins so. Raises `CalibrationError` where there is none, or are several."""
        found = [version for version in self.versions() if version.id.startswith(calibration_id.lower())]
        if len({version.id for version in found}) != 1:
            known = ", ".join(version.id[:8] for version in (found or self.versions())[:12]) or "none"
            several = f"{len(found)} calibrations whose ids begin" if found else "no calibration whose id begins"
            raise CalibrationError(
                f"{self.folder} has {several} with '{calibration_id}', expected one; choose among: {known}"
            )
        return found[0]

    def save(self, calibration: Calibration, *, activate: bool = True) -> Path:
        """Write a new version; never over another. Raises `CalibrationError`."""
        path = self.folder / _file_name(calibration)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CalibrationError(
                f"calibrations cannot be kept in {self.folder} ({error.strerror or error}); name another folder by the "
                "environment variable LIVECASSI_CALIBRATIONS"
            ) from error
        if not path.exists():
            save_calibration(calibration, path)
        elif load_calibration(path).id != calibration.id:
            raise CalibrationError(f"{path} is there and holds another calibration; move it away and save again")
        if activate:
            self._activate(calibration.id)
        return path

    def activate(self, calibration_id: str) -> Version:
        """Use this version from now on (also an earlier one: "restore previous"). Raises `CalibrationError`."""
        version = self.find(calibration_id)
        load_calibration(version.path)  # whole and unchanged, else it is refused here
        self._activate(version.id)
        return _version(version.path, version.id)

    def _activate(self, identity: str) -> None:
        active = _Active(id=identity, since=datetime.now(UTC).isoformat(timespec="seconds"))
        path = self.folder / ACTIVE_FILE
        try:
            write_whole_file(path, active.model_dump_json(indent=1).encode())
        except OSError as error:
            raise CalibrationError(
                f"the calibration {identity[:8]} is kept but cannot be marked as the one in use: {path} cannot be "
                f"written ({error.strerror or error}); free space and activate it again"
            ) from error

    def _active_id(self) -> str:
        path = self.folder / ACTIVE_FILE
        try:
            return _Active.model_validate_json(path.read_bytes()).id
        except FileNotFoundError:
            return ""
        except (OSError, ValidationError) as error:
            log.warning("%s cannot be read (%s); no calibration counts as the one in use", path, error)
            return ""


def _version(path: Path, active: str) -> Version:
    identity, header = load_header(path)
    record = header.record
    verdict = NOT_JUDGED if record is None or not record.checks else str(record.verdict)
    if record is not None and record.overrides:
        verdict += ", continued anyway"
    parent = record.parent_id if record is not None else ""
    return Version(
        path, identity, header.name, header.created, str(header.system), verdict, parent, active=identity == active
    )


def _file_name(calibration: Calibration) -> str:
    header = calibration.header
    name = re.sub(r"[^\w.-]+", "-", header.name).strip("-.").lower()[:60] or str(header.system)
    date = re.sub(r"[^0-9]", "", header.created)[:12] or "undated"
    return f"{name}-{date}-{calibration.id[:8]}.h5"
