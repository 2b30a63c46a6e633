"""Where calibrations and drafts lie for this person."""

import os
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_data_path

CALIBRATIONS_VARIABLE = "LIVECASSI_CALIBRATIONS"


def calibrations_folder(environment: Mapping[str, str] | None = None) -> Path:
    """The folder that LIVECASSI_CALIBRATIONS names, else one among the user's data. It need not be there yet."""
    named = (os.environ if environment is None else environment).get(CALIBRATIONS_VARIABLE, "")
    return Path(named).expanduser().absolute() if named else user_data_path("livecassi") / "calibrations"
