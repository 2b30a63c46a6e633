"""The plan of a calibration: a TOML file, or what the wizard's pages fill in."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.spectra import parse_spectra
from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.capture import CaptureKind, Line
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.settings import BandChoice, FitSettings
from livecassi.calibration.import_mask import parse_wavelengths, read_mask
from livecassi.drivers import SourceInfo

FLAT_FILLS = (0.6, 0.15, 0.35, 0.85)  # of full scale; the first at the exposure of the plan
LONGEST_FLAT_FILL = 0.85
USUAL_BANDS = {
    System.SD_CASSI: BandChoice(450.0, 2.0, 28),
    System.DD_CASSI: BandChoice(wavelengths_nm=tuple(float(nm) for nm in range(410, 701, 10))),
    System.PMVIS: BandChoice(410.0, 2.0, 30),
    System.NDSSI: BandChoice(410.0, 2.0, 30),
}


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _printable(text: str) -> str:
    return "\n".join(_one_line(line) for line in text.splitlines())


Words = Annotated[str, AfterValidator(_one_line)]  # what cannot be printed, and no file can hold, becomes a space
Text = Annotated[str, AfterValidator(_printable)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BandsPlan(_Part):
    """`[bands]`: `first_nm`, `step_px`, `count`; or `wavelengths` as "410:700:10", "tsa28" or "450,460.5".

    With none of them: the bands that the system usually has.
    """

    first_nm: float | None = Field(default=None, gt=0, lt=20_000, allow_inf_nan=False)
    step_px: float = Field(default=2.0, gt=0, le=100)
    count: int | None = Field(default=None, ge=1, le=1000)
    wavelengths: str | None = None


class LinePlan(_Part):
    """One `[[line]]`: its centre in nm, width, name; `verify` keeps it out of the fit for the verification.

    `expected_px`: about where it lands, for masks that repeat themselves, see `Line`.
    """

    nm: float = Field(gt=100, lt=20_000)
    fwhm: float = Field(default=0.0, ge=0, le=500)
    name: Words = ""
    frames: int | None = Field(default=None, ge=1)
    exposure_us: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    frames_from: Path | None = None
    verify: bool = False
    expected_px: float | None = Field(default=None, ge=-4096, le=4096)

    @property
    def line(self) -> Line:
        """The light itself."""
        return Line(self.nm, self.fwhm, self.name, self.expected_px)


class StepPlan(_Part):
    """`[dark]`, `[flat]`, `[mask]`, `[white]`, `[chart]`: how many frames; `frames` 0 leaves the capture out.

    Of a chart: how many views. `exposures_us`: one capture at each; a dark is taken for every exposure in use anyway.
    """

    frames: int = Field(default=16, ge=0)
    exposures_us: tuple[float, ...] = ()
    frames_from: Path | None = None


class CalibrationPlan(_Part):
    """All that a calibration needs to know before it begins; paths are relative to the plan's folder.

    `exposure_us`: of every capture that names none, and of the scene afterwards. None: as the camera is set; whoever
    follows the plan puts in what the rig chose (`at_exposure`) before the first capture, since only exposures that are
    known get their darks and the flats of the photon transfer.
    `bit_depth`: of frames on disk, where they do not tell.
    """

    system: System
    name: Words = ""
    operator: Words = ""
    optics: Words = ""
    notes: Text = ""
    exposure_us: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    gain_db: float | None = Field(default=None, allow_inf_nan=False)
    bands: BandsPlan = BandsPlan()
    line: tuple[LinePlan, ...] = ()
    dark: StepPlan = StepPlan(frames=32)
    flat: StepPlan = StepPlan(frames=16)
    mask: StepPlan = StepPlan(frames=16)
    white: StepPlan = StepPlan(frames=8)
    chart: StepPlan = StepPlan(frames=0)
    chart_corners: tuple[int, int] = (6, 9)
    line_frames: int = Field(default=8, ge=1)
    white_reflectance: float = Field(default=1.0, gt=0, le=2)
    white_spectrum: Path | None = None
    curve_terms: int | None = Field(default=None, ge=2, le=6)
    design: Path | None = None
    spectrometer_serial: Words = ""
    medium: Literal["air", "vacuum"] = "air"
    bit_depth: int | None = Field(default=None, ge=1, le=16)

    @model_validator(mode="after")
    def _lines_differ(self) -> "CalibrationPlan":
        seen: set[float] = set()
        for line in self.line:
            if line.nm in seen:
                raise ValueError(f"the line {line.nm:g} nm is there twice; leave one out or correct its wavelength")
            seen.add(line.nm)
        return self

    def at_exposure(self, exposure_us: float | None) -> "CalibrationPlan":
        """The same with the exposure that a rig chose."""
        return self.model_copy(update={"exposure_us": exposure_us})

    def steps(self) -> tuple[CaptureStep, ...]:
        """Every capture in the order in which it is taken: dark, flat, mask, lines, chart, white, verify.

        A dark for every exposure that any of the others has; flats at several exposures for the photon transfer.
        """
        light = [
            *self._flats(),
            *self._several(CaptureKind.MASK, self.mask, optional=True),
            *(self._line_step(line) for line in self.line if not line.verify),
            *self._chart_views(),
            *self._several(CaptureKind.WHITE, self.white),
            *(self._line_step(line) for line in self.line if line.verify),
        ]
        return (*self._darks(light), *light)

    def fit_settings(
        self, parent_id: str = "", overrides: tuple[str, ...] = (), camera: SourceInfo | None = None
    ) -> FitSettings:
        """What the fit is told; `camera`: for its region and flips.

        Raises `CalibrationInvalidError` for bands or a design that cannot be, `SourceError` for a design that cannot
        be read.
        """
        return FitSettings(
            self.system,
            self._band_choice(),
            name=self.name,
            operator=self.operator,
            optics=self.optics,
            notes=self.notes,
            design=self._design(),
            white_reflectance=self.white_reflectance,
            white_spectrum=self._white_spectrum(),
            curve_terms=self.curve_terms,
            chart=self.chart_corners,
            spectrometer_serial=self.spectrometer_serial,
            medium=self.medium,
            parent_id=parent_id,
            overrides=overrides,
            roi=camera.roi if camera is not None else None,
            flip_rows=camera is not None and bool(camera.flip_rows),
            flip_columns=camera is not None and bool(camera.flip_columns),
        )

    def _darks(self, light: list[CaptureStep]) -> list[CaptureStep]:
        wanted = self.dark
        if wanted.frames_from is not None and not wanted.exposures_us:
            return self._several(CaptureKind.DARK, wanted)
        exposures = {
            self.exposure_us,
            *wanted.exposures_us,
            *(step.exposure_us for step in light if step.frames_from is None),
        } - {None}
        return self._several(
            CaptureKind.DARK, wanted.model_copy(update={"exposures_us": tuple(sorted(e for e in exposures if e))})
        )

    def _flats(self) -> list[CaptureStep]:
        exposures = self.flat.exposures_us
        if not exposures and self.exposure_us is not None and self.flat.frames_from is None:
            exposures = tuple(float(f"{self.exposure_us * fill / FLAT_FILLS[0]:.6g}") for fill in FLAT_FILLS)
        fills = [LONGEST_FLAT_FILL * exposure / max(exposures) for exposure in exposures]
        flats = self._several(CaptureKind.FLAT, self.flat.model_copy(update={"exposures_us": exposures}))
        if not fills:
            return flats
        return [replace(step, fill=round(fill, 6)) for step, fill in zip(flats, fills, strict=True)]

    def _several(self, kind: CaptureKind, part: StepPlan, *, optional: bool = False) -> list[CaptureStep]:
        if not part.frames:
            return []
        return [
            CaptureStep(
                kind,
                part.frames,
                exposure_us=exposure_us,
                frames_from=part.frames_from,
                optional=optional,
                gain_db=self.gain_db,
                bit_depth=self.bit_depth,
            )
            for exposure_us in part.exposures_us or (self.exposure_us,)
        ]

    def _chart_views(self) -> list[CaptureStep]:
        return [
            CaptureStep(
                CaptureKind.CHART,
                1,
                exposure_us=self.exposure_us,
                frames_from=self.chart.frames_from,
                optional=True,
                gain_db=self.gain_db,
                view=view,
                bit_depth=self.bit_depth,
            )
            for view in range(self.chart.frames)
        ]

    def _line_step(self, plan: LinePlan) -> CaptureStep:
        return CaptureStep(
            CaptureKind.VERIFY if plan.verify else CaptureKind.LINE,
            plan.frames or self.line_frames,
            plan.line,
            plan.exposure_us or self.exposure_us,
            plan.frames_from,
            optional=plan.verify,
            gain_db=self.gain_db,
            bit_depth=self.bit_depth,
        )

    def _band_choice(self) -> BandChoice:
        bands = self.bands
        usual = USUAL_BANDS[self.system]
        if bands.wavelengths is not None:
            if bands.first_nm is not None or bands.count is not None:
                raise CalibrationInvalidError(
                    "[bands] names wavelengths and also first_nm or count; keep the wavelengths, or the others"
                )
            return BandChoice(wavelengths_nm=tuple(float(nm) for nm in parse_wavelengths(bands.wavelengths)))
        if bands.first_nm is None and bands.count is None and usual.wavelengths_nm is not None:
            return usual
        return BandChoice(bands.first_nm or usual.first_nm, bands.step_px, bands.count or usual.count)

    def _white_spectrum(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        if self.white_spectrum is None:
            return None
        try:
            text = self.white_spectrum.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CalibrationInvalidError(
                f"the spectrum of the white {self.white_spectrum} cannot be read ({error}); "
                "name a CSV file of wavelengths in nm and values, with a header row"
            ) from error
        table = parse_spectra(text, self.white_spectrum.name)
        return table.wavelengths_nm, table.values[0]

    def _design(self) -> Array32 | None:
        return read_mask(self.design) if self.design is not None else None
