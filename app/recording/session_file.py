"""`session.json`: what a recording says about itself. Replaced as a whole, so it is never half written."""

import logging
import os
from collections.abc import Mapping
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from livecassi.app.recording.errors import RecordingError
from livecassi.drivers import SourceInfo, SourceSettings
from livecassi.engines import EngineInfo

log = logging.getLogger(__name__)

SESSION_FILE = "session.json"
SCHEMA_MAJOR, SCHEMA_MINOR = 1, 0


class RecordingState(StrEnum):
    """How far a recording came. RUNNING without a running program: it was killed, what lies there is valid."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


class Counters(BaseModel):
    """The counters of the recorder when the file was written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frames_written: int = 0
    cubes_written: int = 0
    dropped: int = 0
    lost: int = 0
    cubes_dropped: int = 0
    bytes_written: int = 0
    raw_segments: int = 0
    cube_segments: int = 0


class SessionFile(BaseModel):
    """The contents of `session.json`. `host_time_ns` is the frames' clock at `created` (ISO 8601, UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    format: Literal["livecassi-recording"] = "livecassi-recording"
    schema_version: str = f"{SCHEMA_MAJOR}.{SCHEMA_MINOR}"
    application_version: str
    created: str
    host_time_ns: int
    source: SourceInfo
    settings: SourceSettings
    calibration_id: str = ""
    engine: EngineInfo | None = None
    state: RecordingState = RecordingState.RUNNING
    failure: str = ""
    counters: Counters = Counters()


def application_version() -> str:
    """The version of livecassi that runs."""
    return version("livecassi")


def write_session_file(folder: Path, session: SessionFile) -> None:
    """Replace `session.json` atomically and durably. Raises `OSError`."""
    path = folder / SESSION_FILE
    temporary = path.with_suffix(".json.part")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(session.model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    force_to_disk(folder)


def force_to_disk(path: Path) -> None:
    """Wait until a closed file, or the list of names in a folder, has reached the disk. Raises `OSError`."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_session_file(folder: Path) -> SessionFile:
    """Read `session.json`; entries that a newer livecassi added are ignored. Raises `RecordingError`."""
    path = folder / SESSION_FILE
    if not path.is_file():
        what = "holds no session.json" if folder.is_dir() else "is not a folder" if folder.exists() else "is not there"
        raise RecordingError(
            f"{folder} {what}; a recording is a folder with session.json and raw_00000.h5, choose such a folder"
        )
    try:
        content = from_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{path} cannot be read ({error}); expected JSON. Restore this file from a copy; the frames beside it "
            "in raw_*.h5 are not affected"
        ) from error
    _check_version(path, content)
    try:
        return SessionFile.model_validate(_without_unknown(path, content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise RecordingError(
            f"{path} is not a session file of a recording: {where}: {first['msg']}; restore it from a copy"
        ) from error


def _check_version(path: Path, content: object) -> None:
    found = content.get("schema_version") if isinstance(content, Mapping) else None
    major = found.partition(".")[0] if isinstance(found, str) else ""
    if not major.isdecimal():
        raise RecordingError(f"{path} names no schema_version, so it does not belong to a recording; choose another")
    if int(major) != SCHEMA_MAJOR:
        raise RecordingError(
            f"{path} has schema version {found}, this livecassi reads {SCHEMA_MAJOR}.x; install a newer livecassi"
        )


def _without_unknown(path: Path, content: dict[str, object]) -> dict[str, object]:
    try:
        SessionFile.model_validate(content)
    except ValidationError as error:
        for fault in error.errors():
            if fault["type"] == "extra_forbidden":
                node: object = content
                *parents, name = fault["loc"]
                for parent in parents:
                    node = node[parent] if isinstance(node, dict) else None
                if isinstance(node, dict):
                    log.warning("%s: ignoring the unknown entry '%s'", path, name)
                    del node[name]
    return content
