"""The calibration: what it derives, what it refuses, and that its id stands for all of its content."""

from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from livecassi.calibration import Calibration, CalibrationHeader, CalibrationInvalidError, SubSteps, System

BANDS, HEIGHT, WIDTH, SHIFT = 4, 7, 12, 5


def calibration(system: System = System.SD_CASSI, **changes: Any) -> Calibration:
    rng = np.random.default_rng(2)
    columns = WIDTH if system.single_disperser else WIDTH + SHIFT
    frame = (HEIGHT, WIDTH + SHIFT if system.single_disperser else WIDTH)
    content: dict[str, Any] = {
        "header": CalibrationHeader(system=system, bit_depth=12, name="bench"),
        "wavelengths_nm": np.array([450, 480.5, 520, 600], np.float32),
        "mask": rng.random((HEIGHT, columns), dtype=np.float32),
        "dispersion_px": np.array([0, 1.5, 2.75, 4.5], np.float32),
        "response": np.array([0.5, 1, 1, 0.75], np.float32),
        "dark": np.full(frame, 64, np.float32),
        "flat": np.full(frame, 0.9, np.float32),
        "covariance": np.eye(BANDS, dtype=np.float32),
    }
    return Calibration(**(content | changes))


@pytest.mark.parametrize("system", System)
def test_shapes_follow_mask_and_shifts(system: System) -> None:
    made = calibration(system)
    assert made.largest_shift_px == SHIFT
    assert made.cube_shape == (BANDS, HEIGHT, WIDTH)
    assert made.measurement_shape == (HEIGHT, 17 if system.single_disperser else 12)
    assert made.system is system


def test_whole_shifts_do_not_round_up() -> None:
    shifts = (np.float32(0.1) * np.arange(BANDS, dtype=np.float32)) * np.float32(10)
    assert calibration(dispersion_px=shifts, dark=None, flat=None).largest_shift_px == 3


def test_id_is_reproducible_and_changes_with_any_content() -> None:
    original = calibration()
    assert calibration().id == original.id
    assert len(original.id) == 64
    ids = {original.id}
    for name, array in original.arrays().items():
        moved = array.copy()
        moved.flat[1] = np.nextafter(moved.flat[1], np.float32(1e9))
        if name == "mask":
            moved.flat[1] = array.flat[1] / 2
        ids.add(replace(original, **{name: moved}).id)
    for header in (
        {"notes": "after lunch"},
        {"sub_steps": SubSteps.TWO_HALVES},
        {"system": System.PMVIS},
        {"exposure_us": 1000.0},
        {"roi": (0, 8, 7, 17)},
        {"flip_rows": True},
        {"quality": {"rms_px": 0.1}},
    ):
        ids.add(replace(original, header=original.header.model_copy(update=header)).id)
    ids.add(replace(original, covariance=None).id)
    assert len(ids) == 1 + 7 + 7 + 1


def test_nothing_can_be_changed_afterwards() -> None:
    mask = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    made = calibration(mask=mask)
    mask[0, 0] = 0.25  # the caller's own array stays the caller's
    assert made.mask[0, 0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        made.mask[0, 0] = 1
    with pytest.raises(FrozenInstanceError):
        made.mask = mask  # type: ignore[misc]
    with pytest.raises(ValidationError):
        made.header.name = "other"
    with pytest.raises(ValidationError, match="Extra inputs"):
        CalibrationHeader(system=System.PMVIS, wavelength=5)  # type: ignore[call-arg]


def test_arrays_of_other_types_become_float32() -> None:
    made = calibration(mask=np.asfortranarray(np.eye(HEIGHT, WIDTH)), wavelengths_nm=np.arange(4) + 400)
    assert {array.dtype for array in made.arrays().values()} == {np.dtype(np.float32)}
    assert made.mask.flags.c_contiguous


def ones(*shape: int) -> Any:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": np.where(np.eye(HEIGHT, WIDTH) > 0, np.nan, 1)}, "array 'mask' holds NaN"),
        ({"response": ones(4) * np.inf}, "array 'response' holds NaN or infinite"),
        ({"wavelengths_nm": ones(0)}, r"wavelengths_nm has shape \(0,\), expected \(C,\) with C >= 1"),
        ({"wavelengths_nm": ones(2, 2)}, r"wavelengths_nm has shape \(2, 2\)"),
        ({"wavelengths_nm": np.array([450, 440, 460, 470])}, "wavelengths_nm must ascend"),
        ({"wavelengths_nm": np.array([450, 450, 460, 470])}, "wavelengths_nm must ascend"),
        ({"dispersion_px": ones(3)}, r"dispersion_px has shape \(3,\), expected \(4,\)"),
        ({"dispersion_px": np.array([0, -0.5, 1, 2])}, r"dispersion_px reaches -0\.5"),
        ({"response": ones(5)}, r"response has shape \(5,\)"),
        ({"response": ones(4) * 0}, "at least one band above 0"),
        ({"response": np.array([1, 1, -0.1, 1])}, "response must be >= 0"),
        ({"covariance": ones(4, 3)}, r"covariance has shape \(4, 3\), expected \(4, 4\)"),
        ({"mask": ones(1, HEIGHT, WIDTH)}, r"mask has shape \(1, 7, 12\), expected two dimensions"),
        ({"mask": ones(HEIGHT, WIDTH) * 255}, r"mask values span 255\.\.255, expected grey values in 0\.\.1"),
        ({"mask": ones(HEIGHT, WIDTH) * 0}, r"mask values span 0\.\.0"),
        ({"mask": ones(0, WIDTH)}, r"mask has shape \(0, 12\)"),
        ({"dark": ones(HEIGHT, WIDTH)}, r"dark has shape \(7, 12\), expected \(7, 17\) as the frames"),
        ({"flat": ones(HEIGHT, 18)}, r"flat has shape \(7, 18\)"),
        ({"flat": ones(HEIGHT, 17) * 0}, "flat holds values of 0 or below"),
        (
            {"header": CalibrationHeader(system=System.SD_CASSI)},
            r"dark is given in DN but header\.bit_depth is missing",
        ),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CalibrationInvalidError, match=message):
        calibration(**changes)


def test_a_dual_disperser_mask_must_be_wider_than_the_shifts() -> None:
    with pytest.raises(
        CalibrationInvalidError, match=r"too narrow for shifts up to 5 px: dd-cassi needs at least 6 col"
    ):
        calibration(System.DD_CASSI, mask=ones(HEIGHT, 5), dark=None, flat=None)
