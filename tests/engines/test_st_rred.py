"""ST-RRED: block by block against the determinants written out, and how it answers to flicker, noise and stillness."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from livecassi.engines.errors import MetricsError
from livecassi.engines.st_rred import StRred, st_rred, weights_and_entropies
from livecassi.engines.steerable import oriented_subband

Array32 = NDArray[np.float32]
Array64 = NDArray[np.float64]
SHAPE = (3, 96, 112)
AMPLITUDES = (0.001, 0.003, 0.01, 0.03, 0.1)
FLICKER = np.array([1, -1, 1, -1], np.float32).reshape(-1, 1, 1, 1)


@pytest.fixture(scope="module")
def scene() -> Array32:
    smooth = gaussian_filter(np.random.default_rng(3).standard_normal(SHAPE), (0.5, 3, 3))
    smooth -= smooth.min()
    return (0.05 + 0.8 * smooth / smooth.max()).astype(np.float32)


@pytest.fixture(scope="module")
def still(scene: Array32) -> Array32:
    return np.stack([scene] * 4)


@pytest.fixture(scope="module")
def moving(scene: Array32) -> Array32:
    return np.stack([np.roll(scene, (frame, -2 * frame), (1, 2)) for frame in range(4)])


def noise(shape: tuple[int, ...]) -> Array32:
    return np.random.default_rng(8).standard_normal(shape).astype(np.float32)


def by_determinants(subband: Array64) -> tuple[Array64, Array64]:
    """Weights and entropies of one sub-band `(h, w)`, block by block as the definition says."""
    h, w = subband.shape
    every = [subband[i : i + 3, j : j + 3].ravel() for i in range(h - 2) for j in range(w - 2)]
    covariance = sum(np.outer(one, one) for one in every) / len(every)
    weights, entropies = [], []
    for i in range(0, h - 2, 3):
        for j in range(0, w - 2, 3):
            block = subband[i : i + 3, j : j + 3].ravel()
            scale = block @ np.linalg.inv(covariance) @ block / 9
            determinant = np.linalg.det(scale * covariance + 0.1 * np.eye(9))
            weights.append(np.log2(1 + scale))
            entropies.append(0.5 * np.log2((2 * np.pi * np.e) ** 9 * determinant))
    return np.array(weights), np.array(entropies)


def test_eigenvalues_give_what_the_determinants_give(scene: Array32) -> None:
    subband = oriented_subband(255.0 * scene.astype(np.float64))
    assert subband.shape == (3, 12, 14)
    weights, entropies = weights_and_entropies(subband)
    assert weights.shape == entropies.shape == (3, 16)
    for band in range(3):
        weight, entropy = by_determinants(subband[band])
        np.testing.assert_allclose(weights[band], weight, rtol=1e-6)
        np.testing.assert_allclose(entropies[band], entropy, rtol=1e-6)


def test_the_score_is_the_definition_written_out(moving: Array32) -> None:
    test = moving + 0.02 * noise(moving.shape)
    tested, true = ([oriented_subband(255.0 * f.astype(np.float64)) for f in video] for video in (test, moving))
    bands = []
    for band in range(SHAPE[0]):
        spatial, temporal = [], []
        for n in range(4):
            (w_t, h_t), (w_r, h_r) = by_determinants(tested[n][band]), by_determinants(true[n][band])
            spatial.append(np.abs(w_r * h_r - w_t * h_t).mean())
            if n:
                d_t, g_t = by_determinants(tested[n][band] - tested[n - 1][band])
                d_r, g_r = by_determinants(true[n][band] - true[n - 1][band])
                temporal.append(np.abs(w_r * d_r * g_r - w_t * d_t * g_t).mean())
        bands.append((np.mean(spatial), np.mean(temporal), np.mean(spatial) * np.mean(temporal)))
    found = st_rred(test, moving)
    np.testing.assert_allclose([found.spatial, found.temporal, found.product], np.mean(bands, axis=0), rtol=1e-6)


def test_identical_videos_score_exactly_zero(moving: Array32, still: Array32) -> None:
    elsewhere = np.frombuffer(b"...." + moving.tobytes(), np.float32, offset=4).reshape(moving.shape)
    for cubes, truths in ((moving, elsewhere), (moving.astype(np.float64), moving), (still, still.copy())):
        assert st_rred(cubes, truths) == StRred(0.0, 0.0, 0.0)


def test_what_does_not_move_has_no_temporal_score(still: Array32) -> None:
    found = st_rred(still + 0.05 * noise(still.shape[1:]), still)
    assert found.spatial > 0.5
    assert found.temporal == found.product == 0.0


def test_differences_of_rounding_are_no_motion(still: Array32) -> None:
    rounded = still * (1 + np.float32(1e-7) * FLICKER)
    assert not np.array_equal(rounded[0], rounded[1])
    assert st_rred(rounded, still).temporal == 0.0


@pytest.mark.parametrize("video", ["still", "moving"])
def test_grows_with_flicker(video: str, request: pytest.FixtureRequest) -> None:
    truth = request.getfixturevalue(video)
    scores = [st_rred(truth * (1 + amplitude * FLICKER), truth) for amplitude in (0, *AMPLITUDES)]
    assert np.all(np.diff([s.temporal for s in scores]) > 0)
    assert np.all(np.diff([s.product for s in scores]) > 0)


@pytest.mark.parametrize("video", ["still", "moving"])
def test_grows_with_noise_and_flickering_noise_scores_worse_than_fixed_noise(
    video: str, request: pytest.FixtureRequest
) -> None:
    truth = request.getfixturevalue(video)
    fixed = [st_rred(truth + amplitude * noise(SHAPE), truth) for amplitude in (0, *AMPLITUDES)]
    fresh = [st_rred(truth + amplitude * noise(truth.shape), truth) for amplitude in (0, *AMPLITUDES)]
    for scores in (fixed, fresh):
        assert np.all(np.diff([s.spatial for s in scores]) > 0)
    assert all(b.temporal > 1.2 * a.temporal for a, b in zip(fixed[1:], fresh[1:], strict=True))


def test_a_scene_of_one_direction_is_scored_as_well() -> None:
    stripes = np.broadcast_to(np.sin(np.arange(96) / 5)[:, None], SHAPE)  # K_U of deficient rank
    still = np.stack([0.5 + 0.3 * stripes] * 2)
    found = st_rred(still + 0.02 * noise(still.shape), still)
    assert 0 < found.spatial < np.inf
    assert 0 < found.temporal < np.inf


def test_frames_with_others_missing_between_them_are_not_neighbours(moving: Array32) -> None:
    test = moving + 0.02 * noise(moving.shape)
    assert st_rred(test, moving, (7, 8, 9, 10)) == st_rred(test, moving)
    first, last = st_rred(test[:2], moving[:2]), st_rred(test[2:], moving[2:])
    gap = st_rred(test, moving, (7, 8, 10, 11))
    assert gap.temporal == pytest.approx((first.temporal + last.temporal) / 2)
    assert gap.spatial == pytest.approx((first.spatial + last.spatial) / 2)
    assert gap.temporal != pytest.approx(st_rred(test, moving).temporal, rel=1e-4)


@pytest.mark.parametrize("shape", [(2, 12, 12), (2, 17, 33), (2, 70, 51)])
def test_black_constant_and_saturated_bands_take_part(shape: tuple[int, int, int]) -> None:
    generator = np.random.default_rng(4)
    smooth = gaussian_filter(generator.standard_normal(shape), (0, 2, 2))
    band = 0.05 + 0.8 * (smooth - smooth.min()) / np.ptp(smooth)
    flicker = generator.standard_normal((3, 1, *shape[1:]))
    for filled in (0.0, 0.5, 1.0):
        cube = band.copy()
        cube[1] = filled
        truth = np.stack([cube] * 3)
        assert st_rred(truth, truth.copy()) == StRred(0.0, 0.0, 0.0)
        scores = [st_rred(truth + amplitude * flicker, truth) for amplitude in (0, *AMPLITUDES)]
        assert np.all(np.diff([s.temporal for s in scores]) > 0)
        assert np.all(np.diff([s.product for s in scores]) > 0)


def test_light_added_everywhere_is_not_seen(still: Array32) -> None:
    found = st_rred(still + 0.1 * FLICKER, still)
    assert found.spatial == pytest.approx(0.0, abs=1e-4)
    assert found.product == 0.0


def test_takes_frames_as_they_come(moving: Array32) -> None:
    def frames(video: Array32) -> Iterator[Array32]:
        for frame in video:
            buffer = frame.copy()
            yield buffer
            buffer[:] = np.nan  # a producer may fill its buffer anew

    test = moving + 0.02 * noise(moving.shape)
    assert st_rred(frames(test), frames(moving)) == st_rred(test, moving)


def test_refuses_single_frames_and_what_does_not_belong_together(moving: Array32) -> None:
    with pytest.raises(MetricsError, match="needs at least two frames"):
        st_rred(moving[:1], moving[:1])
    with pytest.raises(MetricsError, match="no frames"):
        st_rred([], [])
    for indices in ((4, 6, 8, 10), (3, 2, 1, 0), (5, 5, 5, 5)):
        with pytest.raises(MetricsError, match=r"found 4 frame\(s\), none next to another"):
            st_rred(moving, moving, indices)
    for indices in ((0, 1, 2), (0, 1, 2, 3, 4)):
        with pytest.raises(MetricsError, match=f"found {len(indices)} indices for 4 frames"):
            st_rred(moving, moving, indices)
    with pytest.raises(MetricsError, match="more truths than cubes after the first 2"):
        st_rred(moving[:2], moving)
    uneven = [moving[0], moving[1][:, :, :100]]
    with pytest.raises(MetricsError, match=r"frame 1 has the shape \(3, 96, 100\), those before \(3, 96, 112\)"):
        st_rred(uneven, uneven)
    with pytest.raises(MetricsError, match="ST-RRED needs at least 12 x 12"):
        st_rred(moving[:, :, :11], moving[:, :, :11])
    broken = moving.copy()
    broken[2, 1, 5, 7] = np.nan
    with pytest.raises(MetricsError, match="the cube holds 1 NaN"):
        st_rred(broken, moving)
