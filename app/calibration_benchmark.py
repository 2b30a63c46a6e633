"""The benchmark of the calibration: the whole procedure on the simulated bench, against what the bench knows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from livecassi.app.calibrating.plan import LinePlan
from livecassi.app.calibrating.procedure import capture_step
from livecassi.app.calibrating.rig import SimulatedRig
from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.calibration_trial import Figure, Trial, root_mean_square
from livecassi.app.prototype import open_prototype
from livecassi.calibration import System
from livecassi.calibration.bench import BenchDesign
from livecassi.calibration.bench.mask import ApertureDesign
from livecassi.calibration.capture import CaptureKind
from livecassi.calibration.fitting.fit import fit_calibration
from livecassi.calibration.fitting.registration import register
from livecassi.calibration.import_mask import read_mask
from livecassi.drivers.clock import ManualClock

SYSTEMS = (System.SD_CASSI, System.DD_CASSI)
ENDS_NM = {System.SD_CASSI: (450.0, 650.0), System.DD_CASSI: (410.0, 700.0)}
LASERS_NM = {System.SD_CASSI: (450.0, 532.0, 638.0), System.DD_CASSI: (415.0, 532.0, 690.0)}
FILTERS, FILTER_NM = 10, 10.0
TURN_DEGREES, STRETCH = 0.5, 1.005
FULL_PX = 660
REACH_PX = 54  # of the simulated SD-CASSI bench
MASK_PX, FILTERS_PX, LASERS_PX, FIT_S = 0.05, 0.05, 0.1, 60.0
MASK_SEEDS = 5
MASK_FRAMES = 16
TSA_MASKS = ("tsanet_real_mask660.mat", "tsanet_sim_mask256.mat")


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of one run, and the size of the scenes."""

    size: tuple[int, int]
    figures: tuple[Figure, ...]


def run_benchmark(
    height: int, width: int, *, masks: Path | None = None, full_size: int | None = FULL_PX, told: Callable[[str], None]
) -> Report:
    """Every figure. `masks`: a folder with the two captures of the TSA mask; `full_size`: of the frames whose fit is
    timed, None: none. `told` hears what is being measured.
    """
    figures: list[Figure] = []
    told("mask registration")
    figures.append(mask_registration(height, width))
    for system in SYSTEMS:
        told(f"{system}: ten filters")
        bench = Trial(system, height, width, filters(system))
        figures.append(bench.curve("ten filters of 10 nm", FILTERS_PX))
        figures.append(bench.response())
        told(f"{system}: reconstruction")
        figures.extend(bench.losses())
        told(f"{system}: drift")
        figures.extend(bench.drift_is_told())
        told(f"{system}: three lasers")
        figures.append(Trial(system, height, width, lasers(system)).curve("three lasers", LASERS_PX))
    if masks is not None:
        told("two captures of one mask")
        figures.extend(two_captures(masks))
    if full_size is not None:
        told(f"full size, {full_size} x {full_size}")
        figures.append(full_fit(full_size))
    return Report((height, width), tuple(figures))


def filters(system: System) -> tuple[LinePlan, ...]:
    """Ten filters of 10 nm over the band."""
    first, last = ENDS_NM[system]
    return tuple(LinePlan(nm=float(nm), fwhm=FILTER_NM) for nm in np.linspace(first + 5, last - 5, FILTERS))


def lasers(system: System) -> tuple[LinePlan, ...]:
    """Three lasers."""
    return tuple(LinePlan(nm=nm) for nm in LASERS_NM[system])


def mask_registration(height: int, width: int) -> Figure:
    """Captured masks, turned by 0.5 degrees and stretched by 0.5 %, against their drawing; root mean square of all."""
    aperture = ApertureDesign(turn_degrees=TURN_DEGREES, stretch=STRETCH)
    errors = []
    for seed in range(MASK_SEEDS):
        bench = open_prototype(
            System.SD_CASSI, height, width, seed=seed, clock=ManualClock(), design=BenchDesign(aperture=aperture)
        )
        rig = SimulatedRig(bench)
        step = CaptureStep(CaptureKind.MASK, MASK_FRAMES)
        rig.prepare(step)
        picture = capture_step(step, rig).mean[:, :width]
        found = register(picture, bench.bench.aperture_design_pattern())
        y, x = np.mgrid[0:height:16, 0:width:16].reshape(2, -1)
        places = np.stack([x, y, np.ones_like(x)])
        away = found.matrix[:2] @ places - bench.bench.true_registration()[:2] @ places
        errors.append(root_mean_square(np.hypot(*away)))
    return Figure(
        f"mask registration, {TURN_DEGREES:g} degrees, {100 * (STRETCH - 1):.2g} %",
        root_mean_square(errors),
        "px rms",
        MASK_PX,
        f"worst of {MASK_SEEDS} masks {max(errors):.3f} px",
    )


def two_captures(masks: Path) -> list[Figure]:
    """The TSA mask captured twice: where the small capture lies in the large one, and how well they agree."""
    large, small = (read_mask(masks / name) for name in TSA_MASKS)
    found = register(large, small)
    centre = found.matrix[:2] @ np.array([(small.shape[1] - 1) / 2, (small.shape[0] - 1) / 2, 1.0])
    column, row = centre - (np.array(small.shape[::-1]) - 1) / 2
    note = (
        f"at row {row:.2f}, column {column:.2f}, turned by {found.rotation_degrees:.3f} degrees, scale "
        f"{found.scale:.4f}, correlation {found.correlation:.3f}"
    )
    return [Figure("two captures of the TSA mask, tiles", found.rms_px, "px rms", None, note)]


def full_fit(size: int) -> Figure:
    """Seconds that the fit of frames `size x size` takes, with ten filters."""
    trial = Trial(System.SD_CASSI, size, size - REACH_PX, filters(System.SD_CASSI))
    begun = perf_counter()
    fit_calibration(trial.captures, trial.plan.fit_settings())
    return Figure(f"fit of {size} x {size} frames, ten filters", perf_counter() - begun, "s", FIT_S)
