"""Correction: dark, flat, full scale, flags, and what is refused."""

import numpy as np
import pytest
from numpy.typing import NDArray

from livecassi.calibration import (
    Calibration,
    CalibrationHeader,
    CalibrationMismatchError,
    Corrector,
    MeasurementFlag,
    System,
)
from livecassi.drivers import Frame

SHAPE = (5, 9)  # a scene of 6 columns, shifts up to 3
RNG = np.random.default_rng(9)
DARK = RNG.uniform(60, 70, SHAPE).astype(np.float32)
FLAT = RNG.uniform(0.5, 1.2, SHAPE).astype(np.float32)


def corrector(dark: bool = True, flat: bool = True, **header: float) -> Corrector:
    return Corrector(
        Calibration(
            CalibrationHeader(system=System.SD_CASSI, bit_depth=12, name="bench", **header),
            np.array([450, 500], np.float32),
            np.ones((5, 6), np.float32),
            np.array([0, 3], np.float32),
            np.ones(2, np.float32),
            dark=DARK if dark else None,
            flat=FLAT if flat else None,
        )
    )


def frame(
    pixels: NDArray[np.uint16] | NDArray[np.uint8] | NDArray[np.float32] | None = None,
    exposure_us: float = 1000.0,
    gain_db: float = 0.0,
    bit_depth: int = 12,
    temperature_c: float | None = None,
) -> Frame:
    if pixels is None:
        pixels = RNG.integers(0, 4000, SHAPE).astype(np.uint16)
    return Frame(pixels, 17, 123_456, None, exposure_us, gain_db, bit_depth, temperature_c)


def test_dark_flat_and_full_scale() -> None:
    raw = frame()
    measurement = corrector().correct(raw)
    np.testing.assert_allclose(measurement.values, (raw.pixels - DARK.astype(float)) / 4095 / FLAT, atol=1e-6)
    assert measurement.values.dtype == np.float32
    assert (measurement.frame_index, measurement.host_time_ns) == (17, 123_456)
    assert measurement.calibration_id == corrector().calibration.id
    assert (measurement.flags, measurement.saturated_fraction) == (MeasurementFlag.NONE, 0.0)


def test_noise_below_dark_stays_negative() -> None:
    values = corrector().correct(frame(np.full(SHAPE, 50, np.uint16))).values
    assert values.max() < 0


def test_without_dark_or_flat() -> None:
    raw = frame()
    measurement = corrector(dark=False, flat=False).correct(raw)
    np.testing.assert_allclose(measurement.values, raw.pixels / 4095, atol=1e-6)
    assert measurement.flags == MeasurementFlag.NO_DARK
    eight = frame(np.full(SHAPE, 51, np.uint8), bit_depth=8)  # another format is no harm where there is no dark
    np.testing.assert_allclose(corrector(dark=False, flat=False).correct(eight).values, 0.2, atol=1e-6)


def test_saturation_is_told_from_the_raw_frame() -> None:
    pixels = np.full(SHAPE, 4094, np.uint16)
    pixels[1, 2:5] = 4095
    measurement = corrector().correct(frame(pixels))
    assert measurement.flags == MeasurementFlag.SATURATED
    assert measurement.saturated_fraction == pytest.approx(3 / 45)


@pytest.mark.parametrize(
    ("taken", "flags"),
    [
        ({}, MeasurementFlag.NONE),
        ({"exposure_us": 1019.0}, MeasurementFlag.NONE),
        ({"exposure_us": 1021.0}, MeasurementFlag.EXPOSURE_MISMATCH),
        ({"exposure_us": 500.0}, MeasurementFlag.EXPOSURE_MISMATCH),
        ({"gain_db": 0.04}, MeasurementFlag.NONE),
        ({"gain_db": 6.0}, MeasurementFlag.GAIN_MISMATCH),
        ({"temperature_c": 42.9}, MeasurementFlag.NONE),
        ({"temperature_c": 36.9}, MeasurementFlag.TEMPERATURE_MISMATCH),
        ({"exposure_us": 500.0, "gain_db": 6.0, "temperature_c": 50.0}, MeasurementFlag.DARK_MISMATCH),
    ],
)
def test_each_setting_unlike_the_dark_is_flagged_by_itself(taken: dict[str, float], flags: MeasurementFlag) -> None:
    measured = corrector(exposure_us=1000.0, gain_db=0.0, temperature_c=40.0).correct(frame(**taken))
    assert measured.flags == flags
    assert bool(measured.flags & MeasurementFlag.DARK_MISMATCH) == bool(flags)


def test_settings_that_are_not_known_do_not_differ() -> None:
    assert corrector().correct(frame(exposure_us=5.0, gain_db=9.0, temperature_c=60.0)).flags == MeasurementFlag.NONE
    assert corrector(temperature_c=40.0).correct(frame()).flags == MeasurementFlag.NONE


def test_measurements_pass_unchanged() -> None:
    values = RNG.normal(0.2, 0.3, SHAPE).astype(np.float32)
    measurement = corrector().correct(frame(values, bit_depth=0))
    np.testing.assert_array_equal(measurement.values, values)
    assert (measurement.flags, measurement.saturated_fraction) == (MeasurementFlag.NONE, None)


def test_nan_in_a_measurement_is_refused() -> None:
    values = np.zeros(SHAPE, np.float32)
    values[2, 3] = np.nan
    with pytest.raises(CalibrationMismatchError, match=r"measurement 17 holds NaN.*expected finite"):
        corrector().correct(frame(values, bit_depth=0))


def test_frames_of_another_size_or_depth_are_refused() -> None:
    with pytest.raises(CalibrationMismatchError, match=r"frame has 9 x 5 pixels.*'bench' \(sd-cassi\).*5 x 9"):
        corrector().correct(frame(np.zeros((9, 5), np.uint16)))
    with pytest.raises(CalibrationMismatchError, match=r"frame has 10 bits, the calibration's dark 12"):
        corrector().correct(frame(np.zeros(SHAPE, np.uint16), bit_depth=10))


def test_the_raw_frame_is_left_alone() -> None:
    pixels = RNG.integers(0, 4000, SHAPE).astype(np.uint16)
    before = pixels.copy()
    corrector().correct(frame(pixels))
    np.testing.assert_array_equal(pixels, before)
