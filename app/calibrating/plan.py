"""The plan of a calibration: a TOML file, or what the wizard's pages fill in."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from livecassi.app.calibrating.steps import CaptureStep
from livecassi.calibration.calibration import System
from livecassi.calibration.fitting.settings import FitSettings


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BandsPlan(_Part):
    """`[bands]`: `first_nm`, `step_px`, `count`; or `wavelengths` as "410:700:10", "tsa28" or "450,460.5"."""

    first_nm: float | None = None
    step_px: float = 2.0
    count: int | None = None
    wavelengths: str | None = None


class LinePlan(_Part):
    """One `[[line]]`: its centre in nm, width, name; `verify` keeps it out of the fit for the verification."""

    nm: float
    fwhm: float = 0.0
    name: str = ""
    frames: int | None = None
    exposure_us: float | None = None
    frames_from: Path | None = None
    verify: bool = False


class StepPlan(_Part):
    """`[dark]`, `[flat]`, `[mask]`, `[white]`, `[chart]`: how many frames; `frames` 0 leaves the capture out."""

    frames: int = Field(16, ge=0)
    exposures_us: tuple[float, ...] = ()
    frames_from: Path | None = None


class CalibrationPlan(_Part):
    """All that a calibration needs to know before it begins; paths are relative to the plan's folder."""

    system: System
    name: str = ""
    operator: str = ""
    optics: str = ""
    notes: str = ""
    exposure_us: float | None = None
    gain_db: float | None = None
    bands: BandsPlan = BandsPlan()
    line: tuple[LinePlan, ...] = ()
    dark: StepPlan = StepPlan(frames=32)
    flat: StepPlan = StepPlan(frames=16)
    mask: StepPlan = StepPlan(frames=16)
    white: StepPlan = StepPlan(frames=8)
    chart: StepPlan = StepPlan(frames=0)
    line_frames: int = Field(8, ge=1)
    white_reflectance: float = 1.0
    design: Path | None = None
    spectrometer_serial: str = ""
    medium: str = "air"

    def steps(self) -> tuple[CaptureStep, ...]:
        """Every capture in the order in which it is taken: dark, flat, mask, lines, chart, white, verify."""
        raise NotImplementedError

    def fit_settings(self, parent_id: str = "", overrides: tuple[str, ...] = ()) -> FitSettings:
        """What the fit is told. Raises `CalibrationInvalidError` for bands or a design that cannot be."""
        raise NotImplementedError


def load_plan(path: Path) -> CalibrationPlan:
    """Read a plan. Raises `CalibrationInvalidError` that names the line or key that is wrong."""
    raise NotImplementedError
