"""Scores against the authors' figures, against textbook definitions written out, and on bad input."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import correlate2d

from livecassi.engines.errors import MetricsError
from livecassi.engines.metrics import Flavour, Scores, score, score_video

Array32 = NDArray[np.float32]
SHAPE = (4, 23, 31)


@pytest.fixture
def truth() -> Array32:
    noise = np.random.default_rng(1).random(SHAPE)
    smooth = gaussian_filter(noise, (0, 2, 2))
    smooth -= smooth.min()
    return (0.05 + 0.9 * smooth / smooth.max()).astype(np.float32)


@pytest.fixture
def prediction(truth: Array32) -> Array32:
    return (truth + 0.08 * np.random.default_rng(2).standard_normal(SHAPE)).astype(np.float32)


def test_dynaspec_agrees_with_the_authors_code(shared: Path) -> None:
    golden = np.load(shared / "golden" / "sensing" / "metrics.npz")
    found = score(golden["img"], golden["ref"], Flavour.DYNASPEC)
    assert found.psnr_db == pytest.approx(float(golden["psnr"]), abs=1e-4)
    assert found.ssim == pytest.approx(float(golden["ssim"]), abs=1e-6)
    assert found.sam_deg == pytest.approx(float(golden["sam"]), abs=1e-4)


def test_dynaspec_counts_zero_spectra_as_the_authors_code(shared: Path) -> None:
    golden = np.load(shared / "golden" / "sensing" / "metrics.npz")
    holed = golden["ref"].copy()
    holed[:, :3, :3] = 0
    found = score(holed, golden["ref"], Flavour.DYNASPEC)
    assert found.ssim == pytest.approx(float(golden["ssim2"]), abs=1e-6)
    assert found.sam_deg == pytest.approx(float(golden["sam2"]), abs=1e-4)


def test_plain_agrees_with_the_definitions_written_out(prediction: Array32, truth: Array32) -> None:
    p, w = prediction.astype(np.float64).clip(0, 1), truth.astype(np.float64)
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets**2) / 4.5)
    window = np.outer(window, window) / window.sum() ** 2
    psnr, ssim, ergas = [], [], []
    for a, b in zip(p, w, strict=True):
        mean_a, mean_b = (correlate2d(x, window, "valid") for x in (a, b))
        var_a = correlate2d(a * a, window, "valid") - mean_a**2
        var_b = correlate2d(b * b, window, "valid") - mean_b**2
        both = correlate2d(a * b, window, "valid") - mean_a * mean_b
        likeness = (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
        ssim.append((likeness / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4))).mean())
        psnr.append(-10 * np.log10(np.mean((a - b) ** 2)))
        ergas.append(np.mean((a - b) ** 2) / b.mean() ** 2)
    cosine = (p * w).sum(0) / np.linalg.norm(p, axis=0) / np.linalg.norm(w, axis=0)
    found = score(prediction, truth, Flavour.PLAIN)
    assert found.psnr_db == pytest.approx(np.mean(psnr), abs=1e-9)
    assert found.ssim == pytest.approx(np.mean(ssim), abs=1e-9)
    assert found.sam_deg == pytest.approx(np.degrees(np.arccos(cosine)).mean(), abs=1e-9)
    assert found.ergas == pytest.approx(100 * np.sqrt(np.mean(ergas)), abs=1e-9)


def test_mst_compares_values_of_eight_bits(truth: Array32) -> None:
    within_one_code = np.round(truth * 255) / 255 + np.float32(0.3 / 255)
    found = score(within_one_code, truth, Flavour.MST)
    assert found.psnr_db == np.inf
    assert found.ssim == pytest.approx(1.0, abs=1e-12)
    one_code_off = np.round(truth * 255) / 255 + np.float32(1 / 255)
    assert score(one_code_off, truth, Flavour.MST).psnr_db == pytest.approx(20 * np.log10(255), abs=1e-6)


def test_only_dynaspec_keeps_what_exceeds_the_range(truth: Array32) -> None:
    bright = truth.copy()
    bright[:, 5, 6] = 1.0
    beyond = bright.copy()
    beyond[:, 5, 6] = 3.0
    assert score(beyond, bright, Flavour.PLAIN).psnr_db == np.inf
    assert score(beyond, bright, Flavour.MST).psnr_db == np.inf
    assert score(beyond, bright, Flavour.DYNASPEC).psnr_db < 30


@pytest.mark.parametrize("flavour", Flavour)
def test_a_perfect_cube_has_perfect_scores(truth: Array32, flavour: Flavour) -> None:
    found = score(truth, truth, flavour)
    assert found.psnr_db == np.inf
    assert found.lpsnr8_db == found.lpsnr16_db == pytest.approx(100.0, abs=1e-9)
    assert found.ssim == pytest.approx(1.0, abs=1e-12)
    assert found.sam_deg == pytest.approx(0.0, abs=1e-5)
    assert found.ergas == 0.0


def test_lpsnr_is_the_mean_over_complete_tiles() -> None:
    decibels = np.array([[20.0, 30.0, 40.0], [50.0, 60.0, 70.0]])  # of tiles of 8 x 8
    truth = np.linspace(0.2, 0.6, 4 * 23 * 31).reshape(SHAPE)
    errors = np.full(SHAPE, 0.3)  # in rows from 16 and columns from 24 on, which fill no tile
    errors[:, :16, :24] = np.kron(10 ** (-decibels / 20), np.ones((8, 8)))
    found = score(truth + errors, truth, Flavour.PLAIN)
    assert found.lpsnr8_db == pytest.approx(45.0, abs=1e-9)
    only_large_tile = -10 * np.log10(np.mean([1e-2, 1e-3, 1e-5, 1e-6]))
    assert found.lpsnr16_db == pytest.approx(only_large_tile, abs=1e-9)
    errors[1:] = 0  # three of four bands perfect
    assert score(truth + errors, truth, Flavour.PLAIN).lpsnr8_db == pytest.approx((45 + 3 * 100) / 4, abs=1e-9)


def test_lpsnr_rounds_and_clips_as_the_psnr_of_its_flavour(truth: Array32) -> None:
    for flavour, codes in ((Flavour.DYNASPEC, 256), (Flavour.MST, 255)):
        coded = (np.round(truth * codes) / codes).astype(np.float64)
        one_code_off = score(coded + 1.2 / codes, coded, flavour)
        for found in (one_code_off.psnr_db, one_code_off.lpsnr8_db, one_code_off.lpsnr16_db):
            assert found == pytest.approx(20 * np.log10(255), abs=1e-9)
    bright = truth.copy()
    bright[:, 5, 6] = 1.0
    beyond = bright.copy()
    beyond[:, 5, 6] = 3.0
    assert score(beyond, bright, Flavour.PLAIN).lpsnr16_db == pytest.approx(100.0, abs=1e-9)
    assert score(beyond, bright, Flavour.DYNASPEC).lpsnr16_db < 30


@pytest.mark.parametrize("flavour", Flavour)
def test_uneven_errors_raise_lpsnr_above_psnr_the_less_the_larger_the_tile(flavour: Flavour) -> None:
    generator = np.random.default_rng(7)
    truth = 0.3 + 0.4 * generator.random((3, 48, 64))
    unevenness = np.exp(gaussian_filter(generator.standard_normal((48, 64)), 5) * 15)
    found = score(truth + 0.02 * unevenness * generator.standard_normal(truth.shape), truth, flavour)
    assert found.lpsnr8_db > found.lpsnr16_db + 0.1 > found.psnr_db + 0.2


def test_a_missing_spectrum_is_ninety_degrees_off_and_a_dark_truth_does_not_count(truth: Array32) -> None:
    dark = truth.copy()
    dark[:, 0, :3] = 0  # three pixels without truth
    holed = dark.copy()
    holed[:, 7, 9] = 0
    counted = SHAPE[1] * SHAPE[2] - 3
    assert score(holed, dark, Flavour.PLAIN).sam_deg == pytest.approx(90 / counted, abs=1e-6)
    assert score(holed, dark, Flavour.DYNASPEC).sam_deg == pytest.approx(0.0, abs=1e-6)


def test_a_video_scores_the_mean_of_its_frames(prediction: Array32, truth: Array32) -> None:
    worse = truth + 3 * (prediction - truth)
    one, two = score(prediction, truth), score(worse, truth)
    found = score_video(np.stack([prediction, worse]), np.stack([truth, truth]))
    assert one.psnr_db > two.psnr_db + 5
    assert found.psnr_db == pytest.approx((one.psnr_db + two.psnr_db) / 2)
    assert found.lpsnr8_db == pytest.approx((one.lpsnr8_db + two.lpsnr8_db) / 2)
    assert found.ergas == pytest.approx((one.ergas + two.ergas) / 2)
    assert isinstance(found, Scores)


def test_refuses_videos_of_different_length(truth: Array32) -> None:
    with pytest.raises(MetricsError, match="different numbers of frames, more cubes than truths after the first 1"):
        score_video(np.stack([truth, truth]), np.stack([truth]))
    with pytest.raises(MetricsError, match="no frames"):
        score_video([], [])


def test_refuses_another_shape(truth: Array32) -> None:
    with pytest.raises(MetricsError, match=r"\(4, 23, 30\).*\(4, 23, 31\)"):
        score(truth[:, :, :-1], truth)
    with pytest.raises(MetricsError, match="bands, rows, columns"):
        score(truth[0], truth[0])
    with pytest.raises(MetricsError, match=r"15 x 31 pixels, LPSNR\(16\) needs at least 16 x 16"):
        score(truth[:, :15], truth[:, :15])


def test_refuses_nan_and_integers(truth: Array32) -> None:
    broken = truth.copy()
    broken[1, 2, 3] = np.nan
    with pytest.raises(MetricsError, match="the cube holds 1 NaN"):
        score(broken, truth)
    with pytest.raises(MetricsError, match="the truth holds 1 NaN"):
        score(truth, broken)
    with pytest.raises(MetricsError, match="holds uint16"):
        score(truth, (truth * 65535).astype(np.uint16))  # type: ignore[arg-type]


def test_refuses_a_truth_without_content(truth: Array32) -> None:
    with pytest.raises(MetricsError, match="every value of the truth is 0"):
        score(truth, np.zeros_like(truth))


def test_a_black_band_leaves_all_scores_but_ergas(prediction: Array32, truth: Array32) -> None:
    black = truth.copy()
    black[2] = 0
    for flavour in Flavour:
        found = score(prediction, black, flavour)
        assert np.isnan(found.ergas)
        assert np.isfinite([found.psnr_db, found.lpsnr8_db, found.lpsnr16_db, found.ssim, found.sam_deg]).all()
        assert np.isnan(score_video([prediction] * 2, [black, truth], flavour).ergas)


def test_refuses_counts_and_numbers_beyond_any_scale(truth: Array32) -> None:
    with pytest.raises(MetricsError, match=r"the truth reaches 2\d\d.*, expected values of full scale 1"):
        score(255 * truth, 255 * truth)
    with pytest.raises(MetricsError, match=r"the cube holds values up to .*e\+159"):
        score(truth.astype(np.float64) * 1e160, truth, Flavour.DYNASPEC)
