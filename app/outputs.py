"""What is checked about a file to be written before the work that fills it begins."""

import os
from pathlib import Path

from livecassi.app.recording.errors import RecordingError


def check_output(path: Path, *endings: str, inputs: tuple[Path | None, ...] = ()) -> None:
    """Raises `RecordingError` where `path` cannot be an output with one of these endings.

    It must lie in a folder that is there, be no folder, and be neither one of the `inputs` nor inside one.
    """
    wanted = " or ".join(endings)
    if path.is_dir() or not path.parent.is_dir():
        fault = "is a folder" if path.is_dir() else f"lies in a folder that is not there, {path.parent}"
        raise RecordingError(f"{path} {fault}; expected the name of a file to write, choose one ending in {wanted}")
    if path.suffix.lower() not in endings:
        raise RecordingError(f"{path} is to be written but ends in '{path.suffix}'; choose a name ending in {wanted}")
    for given in inputs:
        if given is not None and path.resolve().is_relative_to(given.resolve()):
            raise RecordingError(f"{path} would be written into the input {given}; choose another name")


def write_whole(path: Path, text: str) -> None:
    """Write a text under its name only when it is whole. Raises `RecordingError` where the disk refuses."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be written ({error.strerror}); choose a folder that can be written, with space"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
