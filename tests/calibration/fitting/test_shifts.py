"""Shifts of line pictures, and the dispersion curve through them, against pictures drawn from a known curve."""

from collections.abc import Callable

import numpy as np
import pytest
from line_pictures import HEIGHT, TRUTH, WIDTH, Aperture, Array, Shot, drawn_line, moved, shot_of, taken

from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.capture import Line
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.curve import fit_curve
from livecassi.calibration.fitting.line_kernel import line_kernel
from livecassi.calibration.fitting.shifts import measure_shift
from livecassi.calibration.masks import notch_mask, pmvis_mask

BAND_NM = np.arange(453.0, 649.0)
TEN_FILTERS = tuple(Line(nm, 10.0) for nm in np.linspace(455.0, 645.0, 10))
THREE_LASERS = tuple(Line(nm) for nm in (450.0, 532.0, 638.0))


def undispersed(system: System) -> Array32:
    return taken(shot_of(system).draw(moved(0, 0)), seed=99, frames=16)


def under(system: System, line: Line, seed: int) -> Array32:
    """Of another brightness with every line."""
    picture = drawn_line(system, line, 0.02 * seed)
    return taken(picture, seed, hot=15, level=[0.2, 0.9, 0.5][seed % 3], vignetting=0.1, frames=8)


@pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
@pytest.mark.parametrize(("lines", "limit"), [(TEN_FILTERS, 0.03), (THREE_LASERS, 0.05)])
def test_curve_from_pictures(system: System, lines: tuple[Line, ...], limit: float) -> None:
    reference = undispersed(system)
    found = [measure_shift(under(system, line, k), reference) for k, line in enumerate(lines)]
    shifts = [system.mask_direction * shift.dx for shift in found]
    curve = fit_curve(lines, shifts, [shift.sigma_px for shift in found]).curve
    assert np.sqrt(np.mean((curve.shift_px(BAND_NM) - TRUTH.shift_px(BAND_NM)) ** 2)) < limit
    for k, shift in enumerate(found):
        assert shift.dy == pytest.approx(0.02 * k, abs=0.03)
        assert shift.correlation > 0.8
        assert shift.rms_px < 0.1
    assert np.isnan(found[-1].tiles_px).any()  # what lies outside the overlap


def test_a_known_smear_makes_the_blue_match_better() -> None:
    reference, line = undispersed(System.SD_CASSI), TEN_FILTERS[0]
    curve = fit_curve(THREE_LASERS, TRUTH.shift_px([450.0, 532.0, 638.0]), [0.01] * 3).curve
    picture = under(System.SD_CASSI, line, 0)
    plain, smeared = (measure_shift(picture, reference, kernel=k) for k in (None, line_kernel(curve, line)))
    assert smeared.correlation > plain.correlation + 0.02
    assert smeared.dx == pytest.approx(plain.dx, abs=0.08)


def test_negative_shifts_and_rows() -> None:
    shot = Shot(Aperture(HEIGHT, WIDTH, margin_px=80), HEIGHT, WIDTH)
    found = measure_shift(taken(shot.draw(moved(-61.3, 4.6)), 1), taken(shot.draw(moved(0, 0)), 2))
    assert (found.dx, found.dy) == pytest.approx((-61.3, 4.6), abs=0.04)


def test_smile_and_keystone() -> None:
    smile, keystone, across = 0.6, 0.4, 0.3
    height, width = 192, 256
    shot = Shot(Aperture(height, width, margin_px=12), height, width)

    def bent(x: Array, y: Array) -> tuple[Array, Array]:
        u, v = (2 * x + 1) / width - 1, (2 * y + 1) / height - 1
        return x - 2.2 - smile * v**2 - keystone * u, y - across * u

    found = measure_shift(taken(shot.draw(bent), 1), taken(shot.draw(moved(0, 0)), 2))
    assert found.dx == pytest.approx(2.2, abs=0.05)
    assert found.smile_px == pytest.approx(smile, abs=0.08)
    assert found.keystone_px == pytest.approx(keystone, abs=0.04)
    assert found.across_tilt_px == pytest.approx(across, abs=0.04)
    assert (found.tilt_px, found.across_keystone_px) == pytest.approx((0, 0), abs=0.04)
    assert found.rms_px < 0.06


def test_one_part_that_moved_does_not_lead() -> None:
    shot = Shot(Aperture(HEIGHT, WIDTH, margin_px=12), HEIGHT, WIDTH)
    picture = shot.draw(moved(1.4, 0))
    picture[:32, :32] = shot.draw(moved(2.6, 0))[:32, :32]
    found = measure_shift(taken(picture, 1), taken(shot.draw(moved(0, 0)), 2))
    assert found.dx == pytest.approx(1.4, abs=0.1)
    assert np.nanmax(np.abs(found.tiles_px)) > 0.6


@pytest.mark.parametrize("comb", [pmvis_mask, notch_mask])
@pytest.mark.parametrize("shift", [7, 33])
def test_a_comb_needs_to_be_told_about_where(comb: Callable[..., Array32], shift: int) -> None:
    reference = comb(96, 220)
    picture = comb(96, 220, first_column=-shift)
    found = measure_shift(taken(picture, 1), taken(reference, 2), expected=(shift + 2.6, 0.2), search_px=6)
    assert (found.dx, found.dy) == pytest.approx((shift, 0), abs=0.03)
    with pytest.raises(CalibrationInvalidError, match="the mask repeats itself"):
        measure_shift(taken(picture, 1), taken(reference, 2))


def test_another_mask_and_darkness_are_refused() -> None:
    first, second = (Shot(Aperture(HEIGHT, WIDTH, seed=s), HEIGHT, WIDTH).draw(moved(0, 0)) for s in (1, 2))
    with pytest.raises(CalibrationInvalidError, match=r"correlates with the mask by 0\.\d\d, expected at least 0\.25"):
        measure_shift(taken(first, 1), taken(second, 2))
    with pytest.raises(CalibrationInvalidError, match="expected at least"):
        measure_shift(taken(0 * first, 1) + np.random.default_rng(0).normal(size=first.shape), taken(first, 2))
