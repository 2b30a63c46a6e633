"""The draft: a folder that keeps plan and captures while a calibration is being made, whatever happens.

`draft.json` (plan, order of captures, removed ones, overrides) is replaced whole after every change; a capture is one
file `captures/ID.h5`, written whole before `draft.json` names it, and kept when it is removed, so that every step can
be undone and nothing captured is lost.
"""

from collections.abc import Sequence
from pathlib import Path

from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.calibration.capture import Capture


class Draft:
    """A calibration in the making. Not for several threads at once."""

    folder: Path
    plan: CalibrationPlan
    parent_id: str

    @classmethod
    def create(cls, folder: Path, plan: CalibrationPlan, parent_id: str = "") -> "Draft":
        """A new draft in a folder that is not there yet. Raises `CalibrationError` where it cannot be written."""
        raise NotImplementedError

    @classmethod
    def open(cls, folder: Path) -> "Draft":
        """Go on with a draft, also after a crash; captures that cannot be read are named in `damaged`, not fatal."""
        raise NotImplementedError

    @property
    def captures(self) -> Sequence[Capture]:
        """Those that count, oldest first."""
        raise NotImplementedError

    @property
    def overrides(self) -> tuple[str, ...]:
        """Every "continue anyway" with its reason."""
        raise NotImplementedError

    def add(self, capture: Capture) -> None:
        """Keep a capture on disk. Raises `CalibrationError` where the disk refuses; then it is kept in memory, and the
        next change of the draft, or `retry`, tries again."""
        raise NotImplementedError

    def remove(self, capture_id: str) -> None:
        """Take a capture out of the fit; its file stays."""
        raise NotImplementedError

    def restore(self, capture_id: str) -> None:
        """Undo `remove`."""
        raise NotImplementedError

    def change_plan(self, plan: CalibrationPlan) -> None:
        """Another plan; captures stay."""
        raise NotImplementedError

    def override(self, what: str, reason: str) -> None:
        """Log that a person went on although a check failed."""
        raise NotImplementedError

    def discard(self) -> None:
        """Remove the folder: after saving, or where the operator says so."""
        raise NotImplementedError


def drafts_folder() -> Path:
    """Where drafts lie for this person; LIVECASSI_CALIBRATIONS names another place."""
    raise NotImplementedError


def find_drafts(folder: Path | None = None) -> list[Path]:
    """Drafts that were not finished, newest first."""
    raise NotImplementedError
