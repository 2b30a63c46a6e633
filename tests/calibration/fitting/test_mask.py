"""The mask recovered from line pictures, against the mask that they were drawn from."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from line_pictures import (
    HEIGHT,
    REACH,
    TRUTH,
    WIDTH,
    Aperture,
    Array,
    Shot,
    drawn_line,
    mask_width,
    moved,
    shot_of,
    taken,
)

from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.capture import Line
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.curve import fit_curve
from livecassi.calibration.fitting.line_kernel import POINT, band_kernel, line_kernel
from livecassi.calibration.fitting.mask import MaskView, RecoveredMask, predict, recover_mask
from livecassi.calibration.fitting.projection import Bend, Geometry, Projection

CURVE = fit_curve([Line(nm) for nm in (450.0, 532.0, 638.0)], TRUTH.shift_px([450.0, 532.0, 638.0]), [0.01] * 3).curve
TEN_FILTERS = tuple(Line(nm, 10.0) for nm in np.linspace(455.0, 645.0, 10))
THREE_LASERS = tuple(Line(nm) for nm in (450.0, 532.0, 638.0))


@cache
def truth(system: System) -> Array:
    shot = shot_of(system)
    return replace(shot, width=mask_width(system)).draw(moved(0, 0))


def views(system: System, lines: tuple[Line, ...]) -> list[MaskView]:
    return list(drawn(system, lines))


@cache
def drawn(system: System, lines: tuple[Line, ...]) -> tuple[MaskView, ...]:
    """Line pictures of differing brightness with hot pixels, and where they truly lie."""
    direction = system.mask_direction
    found = []
    for k, line in enumerate(lines):
        picture = taken(drawn_line(system, line, 0.02 * k), k, hot=15, level=[0.2, 0.9, 0.5][k % 3], frames=8)
        kernel = line_kernel(CURVE, line)
        kernel = kernel if direction > 0 else kernel.mirrored()
        found.append(MaskView(picture, direction * float(TRUTH.shift_px(line.wavelength_nm)), 0.02 * k, kernel))
    return tuple(found)


def error(found: RecoveredMask, wanted: Array) -> float:
    """Standard deviation of what no scale explains, where at least two pictures show the mask."""
    there = found.seen > 1.5
    ours, true = found.mask[there].astype(float), wanted[there]
    design = np.column_stack([ours, np.ones(len(ours))])
    return float((true - design @ np.linalg.lstsq(design, true, rcond=None)[0]).std())


@pytest.mark.parametrize(
    ("system", "lines", "limit"),
    [
        (System.SD_CASSI, TEN_FILTERS, 0.02),
        (System.DD_CASSI, TEN_FILTERS, 0.04),  # its first columns show in the smeared blue alone
        (System.SD_CASSI, THREE_LASERS, 0.015),
        (System.DD_CASSI, THREE_LASERS, 0.015),
    ],
)
def test_recovered_against_truth(system: System, lines: tuple[Line, ...], limit: float) -> None:
    wanted = truth(system)
    found = recover_mask(views(system, lines), mask_width(system))
    assert found.mask.shape == wanted.shape
    assert error(found, wanted) < limit  # the mask itself varies by 0.33
    assert found.contrast > 0.9
    assert found.fill == pytest.approx((wanted > 0.48).mean(), abs=0.05)
    assert 0.2 < np.mean((found.mask > 0.2) & (found.mask < 0.8)) < 0.6  # grey, as the truth is
    assert all(one.gain == pytest.approx([0.2, 0.9, 0.5][k % 3], rel=0.06) for k, one in enumerate(found.brightness))
    assert np.median(found.sigma) < 0.02
    assert (found.seen > 0.9).mean() > 0.95


def test_all_lines_together_are_sharper_than_the_sharpest() -> None:
    wanted, pictures = truth(System.SD_CASSI), views(System.SD_CASSI, TEN_FILTERS)
    together = error(recover_mask(pictures, WIDTH), wanted)
    as_points = error(recover_mask([replace(view, kernel=POINT) for view in pictures], WIDTH), wanted)
    assert together < 0.2 * as_points


def test_a_quarter_pixel_of_wrong_shift_shows_in_the_residuals() -> None:
    pictures = views(System.SD_CASSI, TEN_FILTERS)
    good = recover_mask(pictures, WIDTH)
    pictures[4] = replace(pictures[4], shift_px=pictures[4].shift_px + 0.25)
    bad = recover_mask(pictures, WIDTH)
    assert bad.residuals[4] > 3 * good.residuals[4]


def test_a_background_in_one_picture_and_a_slope_in_another() -> None:
    wanted, pictures = truth(System.SD_CASSI), views(System.SD_CASSI, TEN_FILTERS)
    pictures[1] = replace(pictures[1], picture=pictures[1].picture + np.float32(0.05))
    slope = np.linspace(0.8, 1.2, pictures[6].picture.shape[1], dtype=np.float32)
    pictures[6] = replace(pictures[6], picture=pictures[6].picture * slope)
    pictures[3] = replace(pictures[3], picture=pictures[3].picture.copy())
    pictures[3].picture[10:20, 40:50] = np.nan
    found = recover_mask(pictures, WIDTH)
    assert error(found, wanted) < 0.025
    assert found.brightness[1].background == pytest.approx(0.05, abs=0.01)
    assert found.brightness[6].slow[0] > 0.12


def test_a_bend_is_followed() -> None:
    bend = Bend(smile_px=0.5, tilt_px=-0.2, keystone_px=0.3, across_tilt_px=0.2, across_keystone_px=-0.15)
    shot = Shot(Aperture(HEIGHT, WIDTH, stop=True), HEIGHT, WIDTH + REACH)
    width = WIDTH + REACH

    def bent(x: Array, y: Array) -> tuple[Array, Array]:
        u, v = (2 * x + 1) / width - 1, (2 * y + 1) / HEIGHT - 1
        along = bend.smile_px * v**2 + bend.tilt_px * v + bend.keystone_px * u
        return x - 12.3 - along, y - bend.across_tilt_px * u - bend.across_keystone_px * v

    wanted = replace(shot, width=WIDTH).draw(moved(0, 0))
    pictures = [
        MaskView(taken(shot.draw(moved(0, 0)), 1, frames=8), 0.0),
        MaskView(taken(shot.draw(bent), 2, frames=8), 12.3, bend=bend),
    ]
    followed = recover_mask(pictures, WIDTH)
    straight = recover_mask([replace(view, bend=Bend()) for view in pictures], WIDTH)
    assert error(followed, wanted) < 0.02
    assert straight.residuals[1] > 3 * followed.residuals[1]
    told = predict(followed.mask, pictures[1].geometry, pictures[1].picture.shape, followed.brightness[1])
    inside = (slice(4, -4), slice(16, 12 + WIDTH - 4))
    assert np.std((told - pictures[1].picture)[inside]) < 0.02


@pytest.mark.parametrize("bend", [Bend(), Bend(smile_px=0.6, keystone_px=-0.3, across_tilt_px=0.25)])
@pytest.mark.parametrize("shift", [0.0, 7.4, -13.6])
def test_forward_and_adjoint_belong_together(bend: Bend, shift: float) -> None:
    generator = np.random.default_rng(3)
    projection = Projection(Geometry(shift, 0.3, band_kernel(-1.1, 1.6), bend), (37, 71), (49, 83), (6, 9))
    mask, picture = generator.normal(size=(49, 83)), generator.normal(size=(37, 71))
    ahead = np.vdot(projection.forward(mask.astype(np.float32)), picture)
    back = np.vdot(mask, projection.adjoint(picture.astype(np.float32)))
    assert ahead == pytest.approx(back, rel=1e-4)


def test_what_is_no_mask_is_refused() -> None:
    even: Array32 = np.full((40, 60), 7, np.float32)
    with pytest.raises(CalibrationInvalidError, match="expected dark and bright parts"):
        recover_mask([MaskView(even, 0.0)], 50)
    with pytest.raises(CalibrationInvalidError, match="expected at least 10 %"):
        recover_mask([MaskView(even, 70.0)], 50)
    with pytest.raises(CalibrationInvalidError, match="0 pictures"):
        recover_mask([], 50)
