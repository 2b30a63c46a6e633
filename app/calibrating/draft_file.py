"""`draft.json`: what a draft says about itself and its captures."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.calibration import CalibrationInvalidError

DRAFT_FILE = "draft.json"
CAPTURES = "captures"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class DraftEntry(_Part):
    """One capture of a draft; `title` is for people, should its file be damaged."""

    id: str
    title: str = ""
    removed: bool = False


class DraftFile(_Part):
    """The contents of `draft.json`; captures in the order in which they were taken."""

    format: Literal["livecassi-calibration-draft"] = "livecassi-calibration-draft"
    schema_version: Literal[1] = 1
    created: str
    plan: CalibrationPlan
    parent_id: str = ""
    captures: tuple[DraftEntry, ...] = ()
    overrides: tuple[str, ...] = ()

    def content(self) -> bytes:
        """As it is written."""
        return self.model_dump_json(indent=1).encode()


def read_draft_file(folder: Path) -> DraftFile:
    """Raises `CalibrationInvalidError` where the folder holds no draft that can be read."""
    path = folder / DRAFT_FILE
    try:
        return DraftFile.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise CalibrationInvalidError(
            f"{folder} is no draft of a calibration: it has no {DRAFT_FILE}; choose another"
        ) from error
    except (OSError, ValidationError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise CalibrationInvalidError(
            f"{path} cannot be read ({first}); the captures beside it are whole, restore this file from a copy"
        ) from error
