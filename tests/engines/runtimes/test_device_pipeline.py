"""The pipeline of frames, in every order that a device might take: results belong to their frames, nothing is early."""

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from livecassi.engines import EngineError
from livecassi.engines.runtimes.contract import TensorSpec
from livecassi.engines.runtimes.device.host_ops import Choose, HostOps
from livecassi.engines.runtimes.device.ops import Buffer, Event, Stream
from livecassi.engines.runtimes.device.pipeline import FramePipeline

T, H, W = 3, 5, 7


class Weighted:
    """A stand-in for a loaded network: pictures are a sum of the window's frames, weighted by place, plus an offset."""

    inputs = (TensorSpec("frames", (T, H, W, 2), "uint8"), TensorSpec("offset", (H, W)))
    outputs = (TensorSpec("pictures", (1, H, W)), TensorSpec("cubes", (1, 2, H, W)))

    def __init__(self, ops: HostOps) -> None:
        self._ops = ops
        self._bound: dict[str, int] = {}

    def bind(self, name: str, address: int) -> None:
        self._bound[name] = address

    def enqueue(self, stream: Stream) -> None:
        bound = dict(self._bound)

        def view(spec: TensorSpec) -> NDArray[np.generic]:
            memory = self._ops.memory(Buffer(bound[spec.name], spec.nbytes))
            return memory[: spec.nbytes].view(spec.dtype).reshape(spec.shape)

        def kernel() -> None:
            frames, offset = (view(spec) for spec in self.inputs)
            picture = expected(frames.view(np.uint16)[..., 0], offset)
            for spec, value in zip(self.outputs, (picture, 2 * picture), strict=True):
                view(spec)[:] = value

        self._ops.run(stream, kernel)


def expected(window: NDArray[np.generic], offset: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.tensordot([1, 10, 100], np.asarray(window, np.float64), 1) + offset


def frame(number: int) -> NDArray[np.uint16]:
    return (np.arange(H * W).reshape(H, W) + 1000 * number).astype(np.uint16)


OFFSET = np.arange(H * W, dtype=np.float32).reshape(H, W) / 4


@contextmanager
def pipeline(ops: HostOps, hop: int = 1) -> Iterator[FramePipeline]:
    with ops:
        made = FramePipeline(Weighted(ops), ops, hop)
        made.configure({"offset": OFFSET})
        yield made
    ops.close()


def window_of(number: int) -> NDArray[np.uint16]:
    return np.stack([frame(max(0, number - back)) for back in (2, 1, 0)])


def run_two_at_a_time(ops: HostOps, frames: int = 12, hop: int = 1) -> list[bool]:
    """Whether each result was that of its frame, taken as late as possible."""
    right: list[bool] = []
    with pipeline(ops, hop) as made:
        tickets = []

        def take() -> None:
            ticket = tickets.pop(0)
            result = made.result(ticket)
            wanted = expected(window_of(ticket.number), OFFSET)
            right.append(
                np.array_equal(result["pictures"][0], wanted)
                and ("cubes" in result) == ticket.with_cubes
                and all(np.array_equal(cube, 2 * wanted) for cube in result.get("cubes", [[]])[0])
            )

        for number in range(frames):
            if len(tickets) == 2 and number % hop == hop - 1:
                take()
            ticket = made.submit(frame(number), cubes=number % 4 == 2)
            assert (ticket is not None) == (number % hop == hop - 1)
            tickets += [ticket] if ticket else []
        while tickets:
            take()
    return right


def every_order() -> list[Choose]:
    return [min, max, *(Random(seed).choice for seed in range(25))]


@pytest.mark.parametrize("hop", [1, 2, 3])
def test_results_belong_to_their_frames_in_whatever_order_streams_go_on(hop: int) -> None:
    for order in every_order():
        assert run_two_at_a_time(HostOps(order), hop=hop) == [True] * (12 // hop)


def test_this_proof_would_notice_a_missing_event() -> None:
    class Deaf(HostOps):
        def wait(self, stream: Stream, event: Event) -> None:
            pass

    class Hasty(HostOps):
        """Says that uploads are over while they wait."""

        def synchronize(self, event: Event) -> None:
            if event.number <= hurried:
                return
            super().synchronize(event)

    hurried = 7  # the setting's event, and those of the three slots
    assert not all(all(run_two_at_a_time(Deaf(order))) for order in every_order())
    assert not all(all(run_two_at_a_time(Hasty(order), hop=3)) for order in every_order())


def test_nothing_is_waited_for_while_two_passes_are_under_way() -> None:
    taken: list[int] = []

    def watched(able: Sequence[int]) -> int:
        taken.append(able[0])
        return able[0]

    with pipeline(HostOps(watched)) as made:
        first, second = made.submit(frame(0)), made.submit(frame(1))
        assert not taken, "submitting a frame waited for the device"
        assert first is not None
        assert second is not None
        for ticket in (first, second):
            made.result(ticket)
        assert taken


def test_a_third_pass_without_taking_a_result_is_refused_and_the_first_stays_as_it_was() -> None:
    with pipeline(HostOps()) as made:
        first, _ = made.submit(frame(0)), made.submit(frame(1))
        with pytest.raises(EngineError, match="2 passes are under way; take the result of frame 0"):
            made.submit(frame(2))
        assert first is not None
        np.testing.assert_array_equal(made.result(first)["pictures"][0], expected(window_of(0), OFFSET))
        with pytest.raises(EngineError, match="the result of frame 0 was taken already"):
            made.result(first)
        third = made.submit(frame(2))
        assert third is not None
        np.testing.assert_array_equal(made.result(third)["pictures"][0], expected(window_of(2), OFFSET))


def test_after_a_reset_frames_have_no_predecessors() -> None:
    with pipeline(HostOps()) as made:
        for number in range(4):
            if number == 2:
                made.reset()
            ticket = made.submit(frame(number))
            assert ticket is not None
            found = made.result(ticket)["pictures"][0]
            alone = np.stack([frame(max(2, number - back)) for back in (2, 1, 0)])
            np.testing.assert_array_equal(found, expected(window_of(number) if number < 2 else alone, OFFSET))


def test_with_a_hop_only_every_third_frame_starts_a_pass() -> None:
    with pipeline(HostOps(max), hop=3) as made:
        for number in range(9):
            ticket = made.submit(frame(number))
            assert (ticket is not None) == (number % 3 == 2)
            if ticket is not None:
                assert ticket.number == number
                np.testing.assert_array_equal(made.result(ticket)["pictures"][0], expected(window_of(number), OFFSET))


@pytest.mark.parametrize("choose", every_order()[:5])
def test_settings_hold_from_the_next_frame_on(choose: Choose) -> None:
    with pipeline(HostOps(choose)) as made:
        before = made.submit(frame(0))
        made.configure({"offset": 2 * OFFSET})
        made.configure({"offset": 3 * OFFSET})
        after = made.submit(frame(1))
        assert before is not None
        assert after is not None
        np.testing.assert_array_equal(made.result(before)["pictures"][0], expected(window_of(0), OFFSET))
        np.testing.assert_array_equal(made.result(after)["pictures"][0], expected(window_of(1), 3 * OFFSET))


def test_frames_of_eight_bits_are_taken_too() -> None:
    with pipeline(HostOps()) as made:
        eight = (frame(0) % 256).astype(np.uint8)
        ticket = made.submit(eight)
        assert ticket is not None
        np.testing.assert_array_equal(made.result(ticket)["pictures"][0], expected(np.stack([eight] * 3), OFFSET))


def submit_wrong_size(made: FramePipeline) -> None:
    made.submit(np.zeros((H, W + 1), np.uint16))


def submit_wrong_type(made: FramePipeline) -> None:
    made.submit(np.zeros((H, W), np.float32))


def configure_wrong_name(made: FramePipeline) -> None:
    made.configure({"gain": OFFSET})


def configure_wrong_size(made: FramePipeline) -> None:
    made.configure({"offset": OFFSET[1:]})


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (submit_wrong_size, r"a frame of \(5, 8\) uint16 was given to a network for \(5, 7\)"),
        (submit_wrong_type, "float32 was given"),
        (configure_wrong_name, "no setting 'gain'; it has offset"),
        (configure_wrong_size, r"input 'offset' .* has shape \(4, 7\)"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_next_frame_goes_through(
    act: Callable[[FramePipeline], None], message: str
) -> None:
    with pipeline(HostOps()) as made:
        with pytest.raises(EngineError, match=message):
            act(made)
        ticket = made.submit(frame(0))
        assert ticket is not None
        np.testing.assert_array_equal(made.result(ticket)["pictures"][0], expected(window_of(0), OFFSET))


def test_without_its_settings_or_without_frames_nothing_begins() -> None:
    class Blind(Weighted):
        inputs = (TensorSpec("measurement", (1, T, H, W)), TensorSpec("offset", (H, W)))

    ops = HostOps()
    with ops:
        made = FramePipeline(Weighted(ops), ops)
        assert [spec.name for spec in made.settings] == ["offset"]
        with pytest.raises(EngineError, match="the settings offset were never given"):
            made.submit(frame(0))
        with pytest.raises(EngineError, match="takes no raw frames"):
            FramePipeline(Blind(ops), ops)
        with pytest.raises(EngineError, match="hop 4 found, expected 1 to 3"):
            FramePipeline(Weighted(ops), ops, hop=4)
    ops.close()


def test_nothing_is_allocated_per_frame() -> None:
    with pipeline(HostOps()) as made:

        def run(count: int) -> None:
            for _ in range(count):
                ticket = made.submit(pixels)
                assert ticket is not None
                made.result(ticket)

        pixels = frame(3)
        run(5)
        tracemalloc.start()
        try:
            run(250)
            settled = tracemalloc.get_traced_memory()[0]
            run(500)
            assert tracemalloc.get_traced_memory()[0] <= settled + 500
        finally:
            tracemalloc.stop()
