"""The window over a sequence: who is whose neighbour, which frame gets a cube when, and what a pass costs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecassi.calibration import Measurement
from livecassi.engines import Cube
from livecassi.engines.networks.sliding_window import Frames, Output, SlidingWindow

LENGTH = 3
MODES = list(product((1, 2, 3), Output))


def measured(index: int, moment: int = 0) -> Measurement:
    """Frame `index`; `moment` tells measurements with the same index apart."""
    return Measurement(np.zeros((1, 1), np.float32), "c", index, moment)


@dataclass
class Passes:
    """A network that notes what it saw: the frames of each pass, and which were wanted; and how many were fetched."""

    seen: list[tuple[list[int], list[int]]] = field(default_factory=list)
    fetched: int = 0
    fail_at: int | None = None

    def __call__(self, frames: Sequence[Measurement], positions: Sequence[int]) -> list[Callable[[], Cube]]:
        self.seen.append(([frame.frame_index for frame in frames], list(positions)))
        if len(self.seen) - 1 == self.fail_at:
            raise ArithmeticError("the network failed")
        return [partial(self.fetch, frames[position], position) for position in positions]

    def fetch(self, frame: Measurement, position: int) -> Cube:
        self.fetched += 1
        values = np.full((1, 1, 1), position, np.float32)
        return Cube(values, np.ones(1, np.float32), "c", "net", frame.frame_index, frame.host_time_ns)


def windowed(
    hop: int, output: Output = Output.LATEST, fail_at: int | None = None
) -> tuple[SlidingWindow[Measurement, Cube], Passes]:
    passes = Passes(fail_at=fail_at)
    return SlidingWindow(passes, LENGTH, hop, output), passes


def runs(indices: Sequence[int]) -> list[list[int]]:
    """The sequence cut where an index does not follow the one before."""
    cut: list[list[int]] = []
    for index in indices:
        if not cut or index != cut[-1][-1] + 1:
            cut.append([])
        cut[-1].append(index)
    return cut


def assert_neighbours(frames: list[int]) -> None:
    """Copies of the first frame, then frames that follow each other."""
    alone = [frame for place, frame in enumerate(frames) if place == 0 or frame != frames[0]]
    assert alone == list(range(frames[0], frames[0] + len(alone))), frames
    assert frames == [frames[0]] * (LENGTH - len(alone)) + alone, frames


@pytest.mark.parametrize(("hop", "output"), MODES)
@pytest.mark.parametrize("count", range(1, 10))
def test_without_gaps_passes_are_as_many_as_the_hop_promises(count: int, hop: int, output: Output) -> None:
    window, passes = windowed(hop, output)
    late = hop - 1 + (hop == 1 and output is Output.CENTRE)
    assert window.latency == late
    given = [window.take(measured(index)) for index in range(count)]
    expected = [None] * min(late, count) + list(range(count - late))
    assert [cube and cube.frame_index for cube in given] == expected
    assert [cube.frame_index for cube in window.flush()] == list(range(max(0, count - late), count))
    waits_for_the_next = hop == 1 and output is Output.CENTRE
    assert len(passes.seen) == (max(1, count - 1) if waits_for_the_next else math.ceil(count / hop))
    for frames, _ in passes.seen:
        assert_neighbours(frames)


@pytest.mark.parametrize("count", range(3, 10))
def test_the_centre_has_a_neighbour_on_either_side_and_the_latest_has_none_after_it(count: int) -> None:
    for output, place in ((Output.CENTRE, 1), (Output.LATEST, 2)):
        window, _ = windowed(1, output)
        cubes = [cube for index in range(count) if (cube := window.take(measured(index))) is not None] + window.flush()
        places = [int(cube.values[0, 0, 0]) for cube in cubes]
        assert places[1:-1] == [place] * (count - 2)
        assert places[0] == 1  # of copies the one in the middle
        assert places[-1] == 2


def test_three_at_once_are_seen_in_their_places() -> None:
    window, passes = windowed(3)
    for index in range(6):
        window.take(measured(index))
    assert passes.seen == [([0, 1, 2], [0, 1, 2]), ([3, 4, 5], [0, 1, 2])]


def test_a_rest_is_seen_with_the_frames_before_it() -> None:
    window, passes = windowed(3)
    for index in range(4):
        window.take(measured(index))
    assert [cube.frame_index for cube in window.flush()] == [2, 3]
    assert passes.seen == [([0, 1, 2], [0, 1, 2]), ([1, 2, 3], [2])]


def test_a_still_is_its_own_neighbour() -> None:
    for hop, output in MODES:
        window, passes = windowed(hop, output)
        cube = window.take(measured(7))
        cubes = [cube] if cube is not None else window.flush()
        assert [cube.frame_index for cube in cubes] == [7]
        assert passes.seen == [([7, 7, 7], [1])]


@pytest.mark.parametrize(("hop", "output"), MODES)
def test_unrelated_stills_come_at_once_and_have_no_neighbours(hop: int, output: Output) -> None:
    passes = Passes()
    window = SlidingWindow(passes, LENGTH, hop, output, Frames.STILLS)
    assert (window.reach, window.hop, window.latency) == (1, 1, 0)
    window.observe(measured(3))
    for index in (4, 5, 9):
        cube = window.take(measured(index))
        assert cube is not None
        assert cube.frame_index == index
    assert window.flush() == []
    assert passes.seen == [([index] * 3, [1]) for index in (4, 5, 9)]


gapped = st.lists(st.sampled_from([1, 1, 1, 2, 5, 0, -3]), min_size=0, max_size=8).map(
    lambda steps: list(np.cumsum([20, *steps]).tolist())
)


@settings(max_examples=400, deadline=None)
@given(indices=gapped, mode=st.sampled_from(MODES))
def test_whatever_comes_each_gets_its_cube_once_in_order_and_a_gap_parts(
    indices: list[int], mode: tuple[int, Output]
) -> None:
    window, passes = windowed(*mode)
    given = [window.take(measured(index, moment)) for moment, index in enumerate(indices)]
    late = min(window.latency, len(indices))
    assert [cube is None for cube in given] == [True] * late + [False] * (len(indices) - late)
    cubes = [cube for cube in given if cube is not None] + window.flush()
    assert [(cube.frame_index, cube.host_time_ns) for cube in cubes] == [
        (index, moment) for moment, index in enumerate(indices)
    ]
    for frames, _ in passes.seen:
        assert_neighbours(frames)
        assert any(set(frames) <= set(run) for run in runs(indices)), (frames, indices)
    hop, output = mode
    if hop > 1 or output is Output.LATEST:
        assert len(passes.seen) == sum(math.ceil(len(run) / hop) for run in runs(indices))
    else:
        assert len(passes.seen) == sum(max(1, len(run) - 1) for run in runs(indices))
    assert passes.fetched == len(indices)
    assert window.flush() == []


@settings(max_examples=400, deadline=None)
@given(
    frames=st.lists(st.tuples(st.sampled_from([1, 1, 1, 1, 4]), st.booleans()), min_size=1, max_size=12),
    mode=st.sampled_from(MODES),
)
def test_neighbours_that_no_cube_is_owed_to_may_come_anywhere(
    frames: list[tuple[int, bool]], mode: tuple[int, Output]
) -> None:
    window, passes = windowed(*mode)
    index, taken, given = 0, [], []
    for step, wanted in frames:
        index += step
        if wanted:
            taken.append(index)
            given.append(window.take(measured(index)))
        else:
            window.observe(measured(index))
    late = min(window.latency, len(taken))
    assert [cube is None for cube in given] == [True] * late + [False] * (len(taken) - late)
    assert [cube.frame_index for cube in [*filter(None, given), *window.flush()]] == taken
    for seen, positions in passes.seen:
        assert_neighbours(seen)
        assert {seen[position] for position in positions} <= set(taken)


def test_what_was_observed_is_a_neighbour_and_costs_nothing() -> None:
    window, passes = windowed(1)
    window.observe(measured(3))
    window.observe(measured(4))
    assert passes.seen == []
    cube = window.take(measured(5))
    assert cube is not None
    assert cube.frame_index == 5
    assert passes.seen == [([3, 4, 5], [2])]
    assert window.flush() == []


def test_what_is_owed_is_not_pushed_out_by_what_is_only_observed() -> None:
    for hop, output in MODES:
        window, passes = windowed(hop, output)
        cube = window.take(measured(0))
        for index in range(1, 6):
            window.observe(measured(index))
        cubes = window.flush() if cube is None else [cube]
        assert [cube.frame_index for cube in cubes] == [0]
        assert len(passes.seen) == 1


@pytest.mark.parametrize("after", [[0, 1, 2], [2, 3], [1, 2]], ids=["looped", "doubled", "backwards"])
def test_an_index_that_does_not_rise_by_one_begins_anew(after: list[int]) -> None:
    window, passes = windowed(1)
    for moment, index in enumerate([0, 1, 2, *after]):
        cube = window.take(measured(index, moment))
        assert cube is not None
        assert cube.host_time_ns == moment
    assert passes.seen[3][0] == [after[0]] * 3
    assert passes.seen[4][0] == [after[0], after[0], after[1]]


@pytest.mark.parametrize(("hop", "output"), MODES)
def test_reset_forgets_frames_and_debts(hop: int, output: Output) -> None:
    window, passes = windowed(hop, output)
    for index in range(4):
        window.take(measured(index))
    window.reset()
    passes.seen.clear()
    assert window.flush() == []
    assert window.take(measured(4)) is None or hop == 1
    window.flush()
    assert passes.seen == [([4, 4, 4], [1])]


@pytest.mark.parametrize(("hop", "output"), MODES)
def test_after_a_pass_that_failed_the_window_begins_anew(hop: int, output: Output) -> None:
    window, passes = windowed(hop, output, fail_at=1)

    def go_on() -> None:
        for index in range(9):
            window.take(measured(index))

    with pytest.raises(ArithmeticError):
        go_on()
    assert window.flush() == []
    passes.seen.clear()
    passes.fail_at = None
    given = [window.take(measured(index)) for index in range(50, 55)]
    cubes = [cube for cube in given if cube is not None] + window.flush()
    assert [cube is None for cube in given] == [True] * window.latency + [False] * (5 - window.latency)
    assert [cube.frame_index for cube in cubes] == list(range(50, 55))
    assert passes.seen[0][0][0] == 50


def test_a_flush_that_failed_owes_nothing() -> None:
    window, _ = windowed(3, fail_at=0)
    window.take(measured(0))
    with pytest.raises(ArithmeticError):
        window.flush()
    assert window.flush() == []


@pytest.mark.parametrize("hop", [0, 4])
def test_a_hop_beyond_the_window_is_refused(hop: int) -> None:
    with pytest.raises(ValueError, match=f"hop {hop}: expected 1 to 3"):
        windowed(hop)
