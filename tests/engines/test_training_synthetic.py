"""Random scenes: the same for the same state, of real spectra, sharp in what they move and cover."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from livecassi.engines.protocol import DD_NM, SCENE_NM, SD_NM
from livecassi.engines.training.errors import TrainingDataError
from livecassi.engines.training.mixed import MixedScenes
from livecassi.engines.training.synthetic import SpectralMaterials, SyntheticScenes
from livecassi.engines.training.synthetic.frame import Staging, draw_frame
from livecassi.engines.training.synthetic.groups import Group, GroupDrawer
from livecassi.engines.training.synthetic.materials import Spectra
from livecassi.engines.training.synthetic.noise import noise_pictures
from livecassi.engines.training.synthetic.palette import draw_palette
from livecassi.engines.training.synthetic.surface import Light
from livecassi.engines.training.synthetic.things import Things, join
from livecassi.engines.training.synthetic.visibility import Pose

PICTURES = noise_pictures(torch.device("cpu"))
EVEN = Staging(Light(0.0, 0.0, 1.0, 1.0), 0.0, 0.0, 0.0, 1.0)  # light from everywhere, no shadows
FLAT = {"rows": 1, "row": 1, "pitch": 9, "lobes": 3, "softness": 1, "brightness": 1, "gloss_power": 1}


def materials() -> SpectralMaterials:
    waves = np.cos(np.pi * np.arange(9)[:, None] * (SCENE_NM - 390) / 320)
    curves = np.where(np.arange(9)[:, None] == 0, 1.0, waves) / np.sqrt(31)
    lamps = np.stack([SCENE_NM / 550, np.exp(-(((SCENE_NM - 450) / 20) ** 2)) + 0.5])
    return SpectralMaterials(SCENE_NM, curves, 0.6 ** np.arange(9.0), lamps, np.stack([waves[0] * 0.9, SCENE_NM / 900]))


@pytest.fixture(scope="module")
def source() -> SyntheticScenes:
    return SyntheticScenes(materials())


def things(*fields: dict[str, float]) -> Things:
    """Objects of one plain spectrum each, behind them a background of the first row."""
    background = {"half_a": 1e5, "half_b": 1e5}
    tables = []
    for number, changed in enumerate((background, *fields)):
        row = {**dict.fromkeys(Things._fields, 0.0), **FLAT, "row": number + 1, **changed}
        tables.append({name: np.array([float(value)]) for name, value in row.items()})
    return join(tables, torch.device("cpu"))


def drawn(objects: Things, places: list[tuple[float, float, float]], staging: Staging = EVEN) -> NDArray[np.float32]:
    """A frame `(C, 40, 56)`, band n of which shows object n alone; `places` are x, y, turn of the objects."""
    count = len(places) + 1
    palette = torch.cat([torch.ones(1, count), torch.eye(count)])
    x, y, turn = np.array([(0.0, 0.0, 0.0), *places]).T
    return draw_frame(objects, palette, Pose(x, y, turn), (40, 56), staging, PICTURES).numpy()


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("wavelengths", [DD_NM, SD_NM], ids=["dd", "sd"])
def test_clips_are_in_range_and_the_same_for_the_same_state(
    source: SyntheticScenes, frames: int, wavelengths: NDArray[np.float64]
) -> None:
    means = set()
    for seed in range(3):
        clip = source.clip(np.random.default_rng(seed), frames, 48, 64, wavelengths)
        assert clip.shape == (frames, len(wavelengths), 48, 64)
        assert clip.dtype == torch.float32
        assert clip.is_contiguous()
        assert torch.isfinite(clip).all()
        assert clip.min() >= 0
        assert 0.4 < clip.max() <= 1
        assert clip.std() > 0.02
        assert torch.equal(clip, source.clip(np.random.default_rng(seed), frames, 48, 64, wavelengths))
        means.add(float(clip.mean()))
    assert len(means) == 3


def test_another_source_of_the_same_materials_gives_the_same_clip(source: SyntheticScenes) -> None:
    clips = [one.clip(np.random.default_rng(3), 2, 40, 32, DD_NM) for one in (source, SyntheticScenes(materials()))]
    assert torch.equal(*clips)


def test_most_clips_move_and_some_have_dark_surroundings(source: SyntheticScenes) -> None:
    moved, dark = [], []
    for seed in range(40):
        clip = source.clip(np.random.default_rng(seed), 2, 32, 44, DD_NM[::6])
        moved.append(float((clip[1] - clip[0]).abs().mean()))
        dark.append(float((clip.amax(1) < 0.08).float().mean()) > 0.25)
    assert np.mean(np.array(moved) > 1e-3) > 0.6
    assert 0.15 < np.mean(dark) < 0.65


@pytest.mark.parametrize("lobed", [0, 1], ids=["box", "disc"])
def test_objects_are_where_they_are_put_to_parts_of_a_pixel(lobed: int) -> None:
    disc = {"half_a": 9.0, "half_b": 9.0, "lobed": lobed, "corner": 1.0}
    rows, columns = np.mgrid[:40, :56]
    for x, y in ((0.0, 0.0), (0.37, -1.2), (-7.81, 3.06), (11.5, 5.25)):
        seen = drawn(things(disc), [(x, y, 0.3)])[1]
        assert seen.sum() == pytest.approx(np.pi * 81, rel=0.01)
        assert (seen * columns).sum() / seen.sum() == pytest.approx(27.5 + x, abs=0.02)
        assert (seen * rows).sum() / seen.sum() == pytest.approx(19.5 + y, abs=0.02)


def test_what_is_nearer_hides_what_is_behind_and_light_is_never_lost() -> None:
    square = {"half_a": 8.0, "half_b": 8.0}
    frame = drawn(things(square, square), [(0.0, 0.0, 0.0), (5.3, 2.6, 0.4)])
    np.testing.assert_allclose(frame.sum(0), 1.0, atol=1e-5)
    assert frame[2].sum() == pytest.approx(256, rel=0.01)
    assert frame[1][frame[2] > 0.999].max() == 0
    assert 60 < frame[1].sum() < 200


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ({"half_a": 12.0, "half_b": 5.0}, 240),
        ({"half_a": 12.0, "half_b": 5.0, "lobed": 1}, np.pi * 60),
        ({"half_a": 14.0, "half_b": 14.0, "lobed": 1, "angular": 1, "lobes": 4}, 2 * 14**2),
        ({"half_a": 14.0, "half_b": 14.0, "lobed": 1, "hole": 0.5}, np.pi * 14**2 * 0.75),
        ({"half_a": 14.0, "half_b": 4.0, "corner": 1}, 160 + np.pi * 16),
    ],
)
def test_outlines_have_the_area_of_their_shape(shape: dict[str, float], area: float) -> None:
    assert drawn(things(shape), [(0.3, 0.1, 0.5)])[1].sum() == pytest.approx(area, rel=0.03)


def test_shadows_fall_away_from_the_lamp_and_only_on_what_is_behind() -> None:
    lamp = Light(-0.6, 0.0, 0.8, 1.0)
    disc = {"half_a": 8.0, "half_b": 8.0, "lobed": 1}
    lit, shaded = (drawn(things(disc), [(0.0, 0.0, 0.0)], Staging(lamp, 0.0, 0.0, share, 6.0)) for share in (0.0, 0.5))
    np.testing.assert_allclose(shaded[1], lit[1], atol=1e-6)
    loss = (lit[0] - shaded[0]).sum(0)
    assert loss[28:].sum() > 3 * loss[:28].sum() > 0
    assert shaded[0].min() >= 0


def test_curved_things_are_brighter_towards_the_lamp_and_shine() -> None:
    lamp = Light(-0.6, 0.0, 0.8, 0.2)
    ball = {"half_a": 14.0, "half_b": 14.0, "lobed": 1, "curve_a": 1, "curve_b": 1}
    staging, place = Staging(lamp, 0.0, 0.0, 0.0, 1.0), [(0.0, 0.0, 1.1)]
    matt = drawn(things(ball), place, staging)
    assert matt[1, 20, 20] > 1.5 * matt[1, 20, 36] > 0
    highlight = drawn(things(ball | {"gloss": 0.5, "gloss_power": 40}), place, staging)[0] - matt[0]
    row, column = np.unravel_index(highlight.argmax(), highlight.shape)
    assert 0.3 < highlight.max() <= 0.5
    assert 18 <= row <= 21
    assert 18 <= column < 26


def drawer(seed: int, frames: int = 5) -> GroupDrawer:
    random = np.random.default_rng(seed)
    return GroupDrawer(random, draw_palette(random, Spectra(materials(), DD_NM), 0.3), frames, (200, 256), 10.0)


def test_nothing_moves_faster_than_allowed() -> None:
    fastest = []
    for seed in range(30):
        one = drawer(seed)
        for group in (one.leaves(1.0, 4.0), one.large(5), one.alike(9), one.chart()):
            reach = np.hypot(group.table["half_a"], group.table["half_b"])
            fastest.append((speed(group) + np.abs(np.diff(group.turn, axis=0)) * reach).max())
        fastest.append(speed(one.chain()).max())
    assert 8 < max(fastest) <= 10.001


def speed(group: Group) -> NDArray[np.float64]:
    return np.hypot(np.diff(group.x, axis=0), np.diff(group.y, axis=0))


def test_the_parts_of_a_chain_stay_together_while_they_swing() -> None:
    for seed in range(10):
        group = drawer(seed).chain()
        ends = [(along(group, part, 1.0), along(group, part + 1, -1.0)) for part in range(group.x.shape[1] - 1)]
        for end, beginning in ends:
            np.testing.assert_allclose(end, beginning, atol=1e-9)
        assert np.ptp(group.turn, axis=0).min() > 0


def along(group: Group, part: int, side: float) -> NDArray[np.float64]:
    """Where a part's joint lies, `(2, T)`."""
    half = side * (group.table["half_a"] - group.table["half_b"])[part]
    turn = group.turn[:, part]
    return np.stack([group.x[:, part] + half * np.cos(turn), group.y[:, part] + half * np.sin(turn)])


def test_leaves_follow_the_power_law() -> None:
    radii = np.concatenate([drawer(seed).leaves(3.0, 4.0).table["half_a"] for seed in range(20)]) / 4
    small, large = np.mean(radii > 2), np.mean(radii > 4)
    assert small / large == pytest.approx(4, rel=0.35)  # twice the radius, a quarter as many
    assert radii.max() <= 1.6 * 100 / 4


@pytest.mark.parametrize("wavelengths", [DD_NM, SD_NM], ids=["dd", "sd"])
def test_spectra_are_smooth_reflectances(wavelengths: NDArray[np.float64]) -> None:
    spectra = Spectra(materials(), wavelengths)
    drawn_spectra = spectra.reflectances(np.random.default_rng(1), 3000)
    assert drawn_spectra.shape == (3000, len(wavelengths))
    assert 0 <= drawn_spectra.min() <= drawn_spectra.max() <= 1
    assert drawn_spectra.max() > 0.9
    second = np.abs(np.diff(drawn_spectra, 2, axis=1)).mean() / drawn_spectra.std()
    assert second < 0.06
    shares = np.linalg.svd(drawn_spectra, compute_uv=False) ** 2
    assert shares[0] / shares.sum() < 0.95  # and of many colours
    for seed in range(5):
        lamp = spectra.illuminant(np.random.default_rng(seed))
        assert lamp.mean() == pytest.approx(1, abs=0.02)
        assert lamp.min() > 0.25


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"curves": np.ones((9, 30))}, r"curves have shape \(9, 30\), expected \(9, 31\)"),
        ({"illuminants": np.zeros((0, 31))}, "illuminants have shape"),
        ({"illuminants": np.zeros((1, 31))}, "not dark"),
        ({"reflectances": np.ones((2, 7))}, "reflectances have shape"),
        ({"spread": np.full(9, np.nan)}, "finite"),
        ({"wavelengths_nm": SCENE_NM[::-1]}, "ascend"),
    ],
)
def test_broken_tables_are_refused(changes: dict[str, NDArray], complaint: str) -> None:
    good = materials()
    fields = {name: getattr(good, name) for name in ("wavelengths_nm", "curves", "spread", "illuminants")}
    with pytest.raises(TrainingDataError, match=complaint):
        SpectralMaterials(**(fields | changes))


class Constant:
    """A source of one value, as a fake."""

    def __init__(self, value: float) -> None:
        self.value = value

    def clip(
        self, random: np.random.Generator, frames: int, height: int, width: int, wavelengths_nm: NDArray[np.floating]
    ) -> Tensor:
        return torch.full((frames, len(wavelengths_nm), height, width), self.value)


def test_sources_are_asked_by_their_shares() -> None:
    mixed = MixedScenes([(Constant(0.0), 1.0), (Constant(1.0), 3.0), (Constant(0.5), 0.0)])
    random = np.random.default_rng(1)
    values = [float(mixed.clip(random, 1, 2, 3, SD_NM).mean()) for _ in range(400)]
    assert 0.5 not in values
    assert 0.65 < np.mean(values) < 0.85


@pytest.mark.parametrize("shares", [[], [0.0], [1.0, -0.5], [np.nan]])
def test_senseless_shares_are_refused(shares: list[float]) -> None:
    with pytest.raises(TrainingDataError, match="correct the shares"):
        MixedScenes([(Constant(0.0), share) for share in shares])
