"""Shifts, curve and mask out of the simulated bench's pictures, against what the bench was built with."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from livecassi.calibration.bench import Bench, BenchDesign, Spectrum
from livecassi.calibration.bench.scene import CHART, OTHERS
from livecassi.calibration.bench.state import BenchState, Target
from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.capture import Line
from livecassi.calibration.checks import Verdict, worst
from livecassi.calibration.fitting.curve import CurveFit, fit_curve, judge_band
from livecassi.calibration.fitting.line_kernel import line_kernel
from livecassi.calibration.fitting.mask import MaskView, RecoveredMask, recover_mask
from livecassi.calibration.fitting.shifts import measure_shift

HEIGHT, WIDTH = 96, 128
GREY = Spectrum(np.array([350.0, 800.0]), np.array([0.5, 0.5]))
ELECTRONS, FRAMES = 4000, 8


@dataclass(frozen=True)
class Found:
    """The pictures of a bench's lines and without disperser, the curve and the mask out of them."""

    curve_fit: CurveFit
    mask: RecoveredMask
    error_px: NDArray[np.float64]
    band_nm: NDArray[np.float64]


@cache
def bench(system: System, height: int = HEIGHT, width: int = WIDTH) -> Bench:
    """A bench on which filters arrive as they are stated: what bends them is known only after the response."""
    stated = BenchDesign(efficiency_bends_lines=False)
    return Bench(system, height, width, dict.fromkeys((*CHART, *OTHERS), GREY), GREY, seed=3, design=stated)


def picture(made: Bench, state: BenchState, seed: int) -> Array32:
    light = made.irradiance(0.0, state) / made.vignetting
    electrons = light * (ELECTRONS * FRAMES / np.percentile(light, 99))
    return (np.random.default_rng(seed).poisson(electrons) / (ELECTRONS * FRAMES)).astype(np.float32)


def calibrated(made: Bench, lines: list[Line]) -> Found:
    direction = made.system.mask_direction
    still = picture(made, BenchState(target=Target.WHITE, disperser_in=False), 99)
    pictures = [picture(made, BenchState(target=Target.WHITE, line=line), k) for k, line in enumerate(lines)]
    expected: list[tuple[float, float] | None] = [None] * len(lines)
    if made.system in (System.PMVIS, System.NDSSI):  # combs repeat themselves
        expected = [(direction * float(made.true_shift_px(line.wavelength_nm)) + 2.0, 0.0) for line in lines]
    found = [
        measure_shift(taken, still, expected=about, search_px=6)
        for taken, about in zip(pictures, expected, strict=True)
    ]
    fit = fit_curve(lines, [direction * shift.dx for shift in found], [shift.sigma_px for shift in found])
    views = [MaskView(still, 0.0)]
    for line, taken in zip(lines, pictures, strict=True):
        kernel = line_kernel(fit.curve, line)
        shift = direction * float(fit.curve.shift_px(line.wavelength_nm))
        views.append(MaskView(taken, shift, 0.0, kernel if direction > 0 else kernel.mirrored()))
    band_nm = np.arange(made.wavelengths_nm[0] + 3, made.wavelengths_nm[-1] - 2)
    return Found(
        fit,
        recover_mask(views, made.aperture.width),
        fit.curve.shift_px(band_nm) - made.true_shift_px(band_nm),
        band_nm,
    )


def filters(made: Bench) -> list[Line]:
    return [Line(nm, 10.0) for nm in np.linspace(made.wavelengths_nm[0] + 5, made.wavelengths_nm[-1] - 5, 10)]


def lasers(made: Bench) -> list[Line]:
    return [Line(nm) for nm in (float(made.wavelengths_nm[0]), 532.0, float(made.wavelengths_nm[-1]) - 12)]


@pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
def test_ten_filters(system: System) -> None:
    made = bench(system)
    found = calibrated(made, filters(made))
    assert np.sqrt(np.mean(found.error_px**2)) < 0.02
    assert worst(found.curve_fit.checks + judge_band(found.curve_fit.curve, found.band_nm)) is Verdict.PASS
    assert mask_error(made, found) < 0.03  # the mask itself varies by 0.37
    assert found.mask.contrast > 0.9


@pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
def test_three_lasers(system: System) -> None:
    made = bench(system)
    found = calibrated(made, lasers(made))
    assert np.sqrt(np.mean(found.error_px**2)) < 0.05
    assert mask_error(made, found) < 0.03


@pytest.mark.parametrize("system", [System.PMVIS, System.NDSSI])
def test_combs(system: System) -> None:
    made = bench(system)
    found = calibrated(made, filters(made))
    assert np.sqrt(np.mean(found.error_px**2)) < 0.05
    assert mask_error(made, found) < 0.03
    assert found.mask.fill == pytest.approx((made.aperture.seen() > 0.5 * made.aperture.seen().max()).mean(), abs=0.01)
    assert found.mask.contrast > 0.5  # though less than 5 % of the pixels are open, or closed


def mask_error(made: Bench, found: Found) -> float:
    there = found.mask.seen > 1.5
    truth = made.aperture.seen()[there].astype(float)
    design = np.column_stack([found.mask.mask[there], np.ones(int(there.sum()))])
    return float((design @ np.linalg.lstsq(design, truth, rcond=None)[0] - truth).std())


def test_larger_pictures_tell_more() -> None:
    made = bench(System.SD_CASSI, 288, 320)
    found = calibrated(made, filters(made))
    assert np.sqrt(np.mean(found.error_px**2)) < 0.01
    assert mask_error(made, found) < 0.02
