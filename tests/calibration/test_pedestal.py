"""The pedestal: found where there is one, exactly zero where there is none, unknown where it cannot be known."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.ndimage import gaussian_filter

from livecassi.calibration import (
    Calibration,
    CalibrationHeader,
    CalibrationMismatchError,
    Corrector,
    Measurement,
    MeasurementFlag,
    SubSteps,
    System,
    sensing_model,
)
from livecassi.calibration.pedestal import estimate_pedestal, remove_pedestal
from livecassi.drivers import Frame

Array32 = NDArray[np.float32]
BANDS, HEIGHT, WIDTH = 9, 96, 71
CLOSED = 0.02  # what a closed element of a real mask still passes


def bench(
    system: System = System.SD_CASSI,
    sub_steps: SubSteps = SubSteps.POINT,
    step: float = 2.0,
    mask: Array32 | None = None,
) -> Calibration:
    if mask is None:
        widest = WIDTH if system.single_disperser else WIDTH + math.ceil(step * (BANDS - 1))
        mask = np.random.default_rng(5).choice([CLOSED, 1.0], (HEIGHT, widest)).astype(np.float32)
    bands = np.arange(BANDS, dtype=np.float32)
    header = CalibrationHeader(system=system, sub_steps=sub_steps)
    return Calibration(header, 450 + 10 * bands, mask, step * bands, np.ones(BANDS, np.float32))


def scene(seed: int = 0) -> Array32:
    """Smooth and positive, bright up to the edges."""
    noise = gaussian_filter(np.random.default_rng(seed).random((BANDS, HEIGHT, WIDTH)), (1, 5, 5))
    noise -= noise.min()
    return (0.1 + 0.9 * noise / noise.max()).astype(np.float32)


def noisy(clean: Array32, seed: int = 1) -> Array32:
    """Shot noise of 10,000 electrons at the brightest pixel and 4 electrons of read noise."""
    random = np.random.default_rng(seed)
    electrons = 10_000 / clean.max()
    counted = random.poisson(clean * electrons) + 4 * random.standard_normal(clean.shape)
    return (counted / electrons).astype(np.float32)


BENCHES = [
    bench(),
    bench(step=1.6),
    bench(System.PMVIS),
    bench(sub_steps=SubSteps.TWO_HALVES),
]


@pytest.mark.parametrize("calibration", BENCHES, ids=["sd", "fractional", "pmvis", "two halves"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_there_is_none_under_a_simulated_measurement(calibration: Calibration, seed: int) -> None:
    clean = sensing_model(calibration).forward(scene(seed))
    assert estimate_pedestal(clean, calibration).value == 0.0
    assert estimate_pedestal(noisy(clean), calibration).value == 0.0


@pytest.mark.parametrize("calibration", BENCHES, ids=["sd", "fractional", "pmvis", "two halves"])
@pytest.mark.parametrize("share", [0.01, 0.05])
def test_finds_a_constant_under_a_bright_scene(calibration: Calibration, share: float) -> None:
    clean = sensing_model(calibration).forward(scene())
    constant = np.float32(share * clean.max())
    found = estimate_pedestal(noisy(clean) + constant, calibration)
    assert found.value == pytest.approx(constant, abs=0.002 * float(clean.max()))
    assert 0 < found.uncertainty < 0.002 * clean.max()


def test_broken_pixels_do_not_pull_it_away() -> None:
    calibration = bench()
    measured = noisy(sensing_model(calibration).forward(scene()))
    constant = np.float32(0.02 * measured.max())
    measured += constant
    measured[3::17, 1] = 0.0  # dead
    measured[5::19, -2] = 10.0  # hot
    found = estimate_pedestal(measured, calibration)
    assert found.value == pytest.approx(constant, rel=0.15)


def test_frames_of_a_video_make_it_more_certain() -> None:
    calibration = bench()
    clean = sensing_model(calibration).forward(scene())
    constant = np.float32(0.02 * clean.max())
    frames = np.stack([noisy(clean, seed) + constant for seed in range(6)])
    one, six = estimate_pedestal(frames[0], calibration), estimate_pedestal(frames, calibration)
    assert six.value == pytest.approx(constant, abs=0.001 * float(clean.max()))
    assert six.uncertainty < one.uncertainty


@pytest.mark.parametrize(
    "calibration",
    [
        bench(System.DD_CASSI),
        bench(System.NDSSI),
        bench(step=0.0),
        bench(mask=np.ones((HEIGHT, WIDTH), np.float32)),
    ],
    ids=["dd", "ndssi", "no dispersion", "open mask"],
)
def test_is_zero_and_uncertain_where_it_cannot_be_known(calibration: Calibration) -> None:
    found = estimate_pedestal(sensing_model(calibration).forward(scene()) + np.float32(0.3), calibration)
    assert found.value == 0.0
    assert found.uncertainty == math.inf


def test_refuses_another_size_and_nan() -> None:
    calibration = bench()
    measured = sensing_model(calibration).forward(scene())
    with pytest.raises(CalibrationMismatchError, match=r"\(96, 86\).*\(96, 87\)"):
        estimate_pedestal(measured[:, 1:], calibration)
    measured[4, 5] = np.nan
    with pytest.raises(CalibrationMismatchError, match="NaN"):
        estimate_pedestal(measured, calibration)


def test_removing_keeps_what_falls_below_zero_and_says_so() -> None:
    values = np.array([[0.005, 0.5], [0.02, 0.01]], np.float32)
    before = Measurement(values, "c" * 64, frame_index=7, flags=MeasurementFlag.NO_DARK, saturated_fraction=0.25)
    after = remove_pedestal(before, 0.01)
    np.testing.assert_allclose(after.values, [[-0.005, 0.49], [0.01, 0.0]], atol=1e-7)
    assert after.values.dtype == np.float32
    assert after.flags == MeasurementFlag.NO_DARK | MeasurementFlag.PEDESTAL_REMOVED
    assert (after.frame_index, after.saturated_fraction, after.calibration_id) == (7, 0.25, "c" * 64)
    assert values[0, 0] == np.float32(0.005)


def test_removing_nothing_changes_nothing() -> None:
    before = Measurement(np.ones((2, 3), np.float32), "c" * 64)
    assert remove_pedestal(before, 0.0) is before
    with pytest.raises(CalibrationMismatchError, match="pedestal is nan"):
        remove_pedestal(before, math.nan)


def tsa(mask: Array32) -> Calibration:
    """The instrument of the TSA data; the pedestal does not depend on the wavelengths."""
    bands = np.arange(28, dtype=np.float32)
    header = CalibrationHeader(system=System.SD_CASSI)
    return Calibration(header, 450 + 7 * bands, mask, 2 * bands, np.ones(28, np.float32))


@pytest.mark.parametrize(("number", "expected"), [(3, 0.0103), (5, 0.018)])
def test_real_snapshots(shared: Path, number: int, expected: float) -> None:
    data = shared / "data"
    calibration = tsa(loadmat(data / "masks" / "tsanet_real_mask660.mat")["mask"])
    measured = loadmat(data / "real_measurements" / f"tsanet_real_scene{number}.mat")["meas_real"]
    assert estimate_pedestal(measured, calibration).value == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("name", ["beads", "cloth", "feathers"])
def test_protocol_simulations_of_textured_scenes_have_none(shared: Path, name: str) -> None:
    jpegxl_decode = pytest.importorskip("imagecodecs").jpegxl_decode
    data = shared / "data"
    calibration = tsa(loadmat(data / "masks" / "tsanet_sim_mask256.mat")["mask"])
    nanometres = np.linspace(450, 640, 28).round(-1).astype(int)
    files = (data / "scenes" / "cave" / name / f"{nm}nm.jxl" for nm in nanometres)
    codes = [jpegxl_decode(file.read_bytes())[::2, ::2] for file in files]
    reflectance = (np.stack(codes).astype(np.float32) / 1023) ** 2
    clean = sensing_model(calibration).forward(reflectance / np.percentile(reflectance, 99.9))
    assert estimate_pedestal(clean, calibration).value == 0.0
    assert estimate_pedestal(noisy(clean), calibration).value == 0.0
    constant = np.float32(0.01 * clean.max())
    assert estimate_pedestal(noisy(clean) + constant, calibration).value == pytest.approx(constant, rel=0.1)


def test_a_corrector_estimates_it_from_the_first_frame_and_keeps_it() -> None:
    clean = sensing_model(bench()).forward(scene())
    lifted = clean + np.float32(0.05 * clean.max())
    corrector = Corrector(bench(), pedestal=None)
    first = corrector.correct(Frame(lifted, 0, 0, bit_depth=0))
    assert corrector.pedestal == estimate_pedestal(lifted, bench()).value > 0
    assert first.flags == MeasurementFlag.PEDESTAL_REMOVED
    second = corrector.correct(Frame(2 * lifted, 1, 0, bit_depth=0))
    np.testing.assert_array_equal(second.values, 2 * lifted - np.float32(corrector.pedestal))
    untouched = Corrector(bench()).correct(Frame(lifted, 0, 0, bit_depth=0))
    np.testing.assert_array_equal(untouched.values, lifted)
