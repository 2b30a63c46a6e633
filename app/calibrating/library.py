"""The versions of a calibration: immutable files in one folder, the active one, going back, and what differs."""

from dataclasses import dataclass
from pathlib import Path

from livecassi.calibration import Calibration


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


class Library:
    """A folder of calibration files named NAME-DATE-ID.h5; `active.json` says which one is in use."""

    def __init__(self, folder: Path | None = None) -> None:
        raise NotImplementedError

    def versions(self) -> list[Version]:
        """Newest first; files that cannot be read are left out and logged."""
        raise NotImplementedError

    def save(self, calibration: Calibration, *, activate: bool = True) -> Path:
        """Write a new version; never over another. Raises `CalibrationError`."""
        raise NotImplementedError

    def activate(self, calibration_id: str) -> Version:
        """Use this version from now on (also an earlier one: "restore previous"). Raises `CalibrationError`."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Difference:
    """One quantity in which two calibrations differ: name, old and new in words, and the size in its unit."""

    name: str
    old: str
    new: str
    size: float | None = None
    unit: str = ""


def differences(old: Calibration, new: Calibration) -> list[Difference]:
    """What changed: mask shift (registered, px), curve (largest px over the band), response, dark, flat, header."""
    raise NotImplementedError
