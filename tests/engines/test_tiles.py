"""Tiles: they cover the frame, lie on the grid, and put together what each of them gives."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from livecassi.calibration import System
from livecassi.engines.networks.pg_svrt import PGSVRT
from livecassi.engines.networks.runner import Placing, Runner
from livecassi.engines.networks.tiles import GRID, SMALLEST, in_tiles, stretches

tiles = st.sampled_from([128, 160, 256, 384]).flatmap(
    lambda tile: st.tuples(st.just(tile), st.sampled_from(range(GRID, tile // 2 + 1, GRID)))
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@settings(max_examples=300, deadline=None)
@given(length=st.integers(1, 1500), sizes=tiles)
def test_stretches_cover_every_row_on_the_grid_and_overlap_as_asked(length: int, sizes: tuple[int, int]) -> None:
    tile, overlap = sizes
    found = stretches(length, tile, overlap)
    assert (found[0].start, found[-1].stop) == (0, length)
    assert (found[0].before, found[-1].after) == (0, 0)
    for stretch in found:
        assert stretch.start % GRID == 0
        assert stretch.stop - stretch.start <= tile
        assert len(found) == 1 or stretch.stop - stretch.start > tile - GRID  # no scraps, whatever is left over
    for one, two in pairwise(found):
        assert one.after == two.before == one.stop - two.start >= overlap
    total = torch.zeros(length)
    for stretch in found:
        weights = stretch.weights()
        assert weights.min() > 0
        total[stretch.start : stretch.stop] += weights
    assert total.min() > 1e-6


def test_two_tiles_fade_into_each_other() -> None:
    one, two = stretches(192, 128)
    shared = one.weights()[-64:] + two.weights()[:64]
    torch.testing.assert_close(shared, torch.ones(64))
    assert (one.weights()[:64] == 1).all()
    assert (one.weights()[-64:].diff() < 0).all()


@pytest.mark.parametrize(
    ("height", "width", "tile"),
    [(33, 40, 128), (128, 100, 128), (129, 128, 128), (200, 161, 128), (150, 403, 256), (193, 480, 256)],
)
def test_what_is_not_changed_comes_back(height: int, width: int, tile: int) -> None:
    picture = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(height)) + 1
    found = in_tiles(lambda rows, columns: picture[..., rows, columns], height, width, tile)
    torch.testing.assert_close(found, picture, rtol=1e-6, atol=0)


def test_where_three_tiles_lie_upon_each_other_they_are_weighed() -> None:
    first, second, third = stretches(470, 256)
    assert first.stop > third.start  # so that all three meet
    assert second.before + second.after > 256
    calls: list[tuple[slice, slice]] = []

    def numbered(rows: slice, columns: slice) -> Tensor:
        calls.append((rows, columns))
        return torch.full((1, rows.stop - rows.start, columns.stop - columns.start), float(len(calls)))

    found = in_tiles(numbered, 40, 470, 256)
    assert len(calls) == 3
    assert (found[0, 0].diff() >= -1e-6).all()  # from the first to the last without a step back
    assert found[0, 0].diff().max() < 0.05
    assert (found[0, 0, 0], found[0, 0, -1]) == (1, 3)


@pytest.mark.parametrize(("tile", "overlap"), [(96, 32), (130, 64), (128, 48), (128, 96), (128, 0)])
def test_tiles_that_do_not_fit_the_grid_are_refused(tile: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="expected multiples of 32, >= 128"):
        in_tiles(lambda rows, columns: torch.zeros(1), 200, 200, tile, overlap)


def runners(system: System, height: int, width: int, tile: int) -> tuple[Runner, Runner, Tensor]:
    """Random weights on whole frames and in tiles, and a window of measurements."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network = PGSVRT(system).eval().requires_grad_(False)
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        wide, mask_width = (width + 58, width) if system.single_disperser else (width, width + 58)
        measurement = 6 * torch.rand(1, 3, height, wide)
        mask = (torch.rand(height, mask_width) > 0.5).float()
    whole, tiled = (
        Runner(network, lambda device: network.prepare(mask.to(device)), Placing("cpu", tile=side))
        for side in (0, tile)
    )
    return whole, tiled, measurement


@pytest.mark.parametrize("system", [System.DD_CASSI, System.SD_CASSI])
def test_one_tile_over_all_is_the_whole_frame(system: System) -> None:
    whole, tiled, measurement = runners(system, 33, 40, SMALLEST)
    assert torch.equal(whole.run(measurement), tiled.run(measurement))


@pytest.mark.parametrize("system", [System.DD_CASSI, System.SD_CASSI])
def test_tiles_come_close_to_the_whole_frame(system: System) -> None:
    whole, tiled, measurement = runners(system, 32, 180, SMALLEST)
    expected, found = whole.run(measurement), tiled.run(measurement)
    error = (found - expected).double().square().mean((0, 1, 2)).sqrt() / expected.double().std()
    assert error.mean() < 0.01
    assert error.max() < 0.1
    assert 0 < error[:32].mean() < 0.5 * error[60:130].mean()  # where tiles meet it is largest
