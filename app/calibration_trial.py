"""One trial of the calibration's benchmark: a simulated bench, calibrated by the whole procedure, and its truth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from livecassi.app.calibrating.plan import CalibrationPlan, LinePlan
from livecassi.app.calibrating.procedure import capture_step
from livecassi.app.calibrating.rig import SimulatedRig
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.engine_list import engine_specs
from livecassi.app.prototype import open_prototype
from livecassi.calibration import Calibration, Corrector, System
from livecassi.calibration.bench.state import BenchState
from livecassi.calibration.capture import Capture, CaptureKind
from livecassi.calibration.checks import Verdict
from livecassi.calibration.dispersion_curve import recorded_curve
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.fit import fit_calibration
from livecassi.drivers import SourceSettings
from livecassi.drivers.clock import ManualClock
from livecassi.engines import build_engine
from livecassi.engines.metrics import score

UNSEEN_NM = 540.0
DRIFT_PX = 0.5
ENGINES = ("gap-tv", "live")
RESPONSE_PERCENT, LOSS_DB, DRIFT_ERROR_PX = 2.0, 0.2, 0.05


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; `limit` None: reported, not judged. `note` says what else is worth knowing."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the figure keeps its limit."""
        return None if self.limit is None else bool(self.value <= self.limit)


def root_mean_square(values: ArrayLike) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


class Trial:
    """A simulated bench, calibrated by the whole procedure, beside what it knows of itself."""

    def __init__(self, system: System, height: int, width: int, lines: Sequence[LinePlan]) -> None:
        self.prototype = open_prototype(system, height, width, clock=ManualClock())
        self.rig = SimulatedRig(self.prototype)
        unseen = LinePlan(nm=UNSEEN_NM, verify=True)
        plan = CalibrationPlan(system=system, name="benchmark", line=(*lines, unseen))
        self.plan = plan.at_exposure(self.rig.choose_exposure())
        self.captures = [self._capture(step) for step in self.plan.steps()]
        self.fitted = fit_calibration(self.captures, self.plan.fit_settings())

    @property
    def truth(self) -> Calibration:
        """The bench's own calibration at the exposure that the procedure chose."""
        true, exposure_us = self.prototype.calibration, self.fitted.calibration.header.exposure_us or 0.0
        ratio = np.float32(exposure_us / (true.header.exposure_us or exposure_us))
        return replace(
            true,
            header=true.header.model_copy(update={"exposure_us": exposure_us}),
            response=true.response * ratio,
            dark=self.prototype.source.mean_dark(exposure_us, true.header.gain_db or 0.0),
        )

    def curve(self, title: str, limit_px: float) -> Figure:
        """Error of the curve over the band, its zero being that of the first band."""
        curve = recorded_curve(self.fitted.calibration)
        if curve is None:
            raise CalibrationInvalidError("the fitted calibration holds no curve; fit it again")
        bands = self.fitted.calibration.wavelengths_nm
        grid = np.linspace(float(bands[0]), float(bands[-1]), 500)
        error = curve.shift_px(grid) - curve.shift_px(grid[0])
        error -= self.prototype.bench.true_shift_px(grid) - self.prototype.bench.true_shift_px(grid[0])
        note = f"largest {np.abs(error).max():.3f} px"
        return Figure(
            f"{self.prototype.calibration.system}: curve from {title}",
            root_mean_square(error),
            "px rms",
            limit_px,
            note,
        )

    def response(self) -> Figure:
        """Largest relative error of a band; scale of the mask and of the flat are told apart by nobody."""
        found, true = self.fitted.calibration, self.truth
        columns = min(found.mask.shape[1], true.mask.shape[1])
        ratio = found.response / true.response * (found.mask[:, :columns].mean() / true.mask[:, :columns].mean())
        if found.flat is not None and true.flat is not None:
            ratio *= found.flat.mean() / true.flat.mean()
        error = 100 * (ratio - 1)
        note = f"{root_mean_square(error):.2f} % rms over {len(error)} bands"
        return Figure(f"{true.system}: response", float(np.abs(error).max()), "%", RESPONSE_PERCENT, note)

    def losses(self) -> list[Figure]:
        """What each engine loses by the recovered calibration instead of the true one, on the first scene."""
        self.prototype.set_state(BenchState())
        frame = self.prototype.source.expose(0, self.prototype.source.configure(SourceSettings()))
        truth = self.prototype.truth(0)
        figures = []
        for name in ENGINES:
            scores = {}
            for which, calibration in (("recovered", self.fitted.calibration), ("true", self.truth)):
                with build_engine(engine_specs(), name, calibration, {}) as engine:
                    cube = engine.reconstruct(Corrector(calibration).correct(frame))
                if cube is None:
                    raise CalibrationInvalidError(f"{name} gave no cube for the first frame; choose another engine")
                columns = min(cube.values.shape[2], truth.shape[2])
                scores[which] = score(cube.values[:, :, :columns], truth[:, :, :columns]).psnr_db
            note = f"{scores['recovered']:.2f} dB, with the true calibration {scores['true']:.2f}"
            loss = scores["true"] - scores["recovered"]
            figures.append(Figure(f"{self.truth.system}: loss of {name}", loss, "dB", LOSS_DB, note))
        return figures

    def drift_is_told(self) -> list[Figure]:
        """What the verification says when the mask drifts before it: it must fail."""
        figures = []
        for title, drift in (("along", (DRIFT_PX, 0.0)), ("across", (0.0, DRIFT_PX))):
            step = next(step for step in self.plan.steps() if step.kind is CaptureKind.VERIFY)
            self.rig.prepare(step)
            self.prototype.set_state(replace(self.prototype.state, drift_px=drift))
            drifted = capture_step(step, self.rig)
            others = [capture for capture in self.captures if capture.kind is not CaptureKind.VERIFY]
            checks = fit_calibration([*others, drifted], self.plan.fit_settings()).checks
            told = next(c for c in checks if title in c.name and "prediction" in c.name)
            wrong = abs(told.value - DRIFT_PX) if told.verdict is Verdict.FAIL else float("inf")
            note = f"told as {told.value:.3f} px: {told.verdict}"
            figures.append(
                Figure(
                    f"{self.truth.system}: {DRIFT_PX:g} px of drift {title}, error", wrong, "px", DRIFT_ERROR_PX, note
                )
            )
        return figures

    def _capture(self, step: CaptureStep) -> Capture:
        self.rig.prepare(step)
        return capture_step(step, self.rig)
