"""The spectrum of the white reference, as a plan names it."""

from pathlib import Path

import pytest

from livecassi.app.calibrating.plan_file import load_plan
from livecassi.app.spectra import SpectraError
from livecassi.calibration import CalibrationInvalidError


def plan_naming(folder: Path, text: str | None) -> Path:
    if text is not None:
        (folder / "white.csv").write_text(text)
    plan = folder / "plan.toml"
    plan.write_text('system = "sd-cassi"\nwhite_spectrum = "white.csv"\n')
    return plan


def test_it_lies_beside_the_plan(tmp_path: Path) -> None:
    settings = load_plan(plan_naming(tmp_path, "nm,radiance\n400,1.0\n500,2.5\n")).fit_settings()
    assert settings.white_spectrum is not None
    nm, values = settings.white_spectrum
    assert nm.tolist() == [400, 500]
    assert values.tolist() == [1.0, 2.5]


def test_one_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(CalibrationInvalidError, match=r"white\.csv cannot be read"):
        load_plan(plan_naming(tmp_path, None)).fit_settings()
    with pytest.raises(SpectraError, match="not a number"):
        load_plan(plan_naming(tmp_path, "nm,radiance\n400,1.0\n500,much\n")).fit_settings()
