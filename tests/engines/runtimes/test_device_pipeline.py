"""The pipeline of frames, in every order that a device might take: results belong to their frames, nothing is early."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

import numpy as np
import pytest
from host_ops import Choose, HostOps
from numpy.typing import NDArray

from livecassi.engines import EngineError
from livecassi.engines.runtimes.contract import TensorSpec
from livecassi.engines.runtimes.device.ops import Buffer, Event, Stream
from livecassi.engines.runtimes.device.pipeline import FramePipeline, Ticket

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
            made = self.made_of(frames.view(np.uint16)[..., 0], offset)
            for spec, values in zip(self.outputs, made, strict=True):
                view(spec)[:] = values

        self._ops.run(stream, kernel)

    def made_of(self, window: NDArray[np.generic], offset: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
        picture = expected(window, offset)
        return picture, 2 * picture


def expected(window: NDArray[np.generic], offset: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.tensordot([1, 10, 100], np.asarray(window, np.float64), 1) + offset


def frame(number: int) -> NDArray[np.uint16]:
    return (np.arange(H * W).reshape(H, W) + 1000 * number).astype(np.uint16)


OFFSET = np.arange(H * W, dtype=np.float32).reshape(H, W) / 4


@contextmanager
def pipeline(ops: HostOps) -> Iterator[FramePipeline]:
    with ops:
        made = FramePipeline(Weighted(ops), ops)
        made.configure({"offset": OFFSET})
        yield made
    ops.close()


def submit(made: FramePipeline, pixels: NDArray[np.generic], cubes: bool = False) -> Ticket:
    made.take(pixels)
    return made.start(cubes)


def window_of(number: int) -> NDArray[np.uint16]:
    return np.stack([frame(max(0, number - back)) for back in (2, 1, 0)])


def run_two_at_a_time(ops: HostOps, frames: int = 12, hop: int = 1) -> list[bool]:
    """Whether each result was that of its window, taken as late as possible; a pass after every `hop` frames."""
    right: list[bool] = []
    with pipeline(ops) as made:
        tickets: list[tuple[int, Ticket]] = []

        def take() -> None:
            number, ticket = tickets.pop(0)
            result = made.result(ticket)
            wanted = expected(window_of(number), OFFSET)
            right.append(
                np.array_equal(result["pictures"][0], wanted)
                and ("cubes" in result) == ticket.with_cubes
                and all(np.array_equal(cube, 2 * wanted) for cube in result.get("cubes", [[]])[0])
            )

        for number in range(frames):
            made.take(frame(number))
            if number % hop != hop - 1:
                continue
            if len(tickets) == 2:
                take()
            tickets.append((number, made.start(cubes=number % 4 == 2)))
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
        tickets = [submit(made, frame(0)), submit(made, frame(1))]
        assert not taken, "submitting a frame waited for the device"
        for ticket in tickets:
            made.result(ticket)
        assert taken


def test_a_third_pass_without_taking_a_result_is_refused_and_the_first_stays_as_it_was() -> None:
    with pipeline(HostOps()) as made:
        first, _ = submit(made, frame(0)), submit(made, frame(1))
        with pytest.raises(EngineError, match="2 passes are under way; take the result of pass 0"):
            submit(made, frame(2))
        np.testing.assert_array_equal(made.result(first)["pictures"][0], expected(window_of(0), OFFSET))
        with pytest.raises(EngineError, match="the result of pass 0 was taken already"):
            made.result(first)
        np.testing.assert_array_equal(made.result(made.start())["pictures"][0], expected(window_of(2), OFFSET))


def test_after_a_reset_frames_have_no_predecessors() -> None:
    with pipeline(HostOps()) as made:
        for number in range(4):
            if number == 2:
                made.reset()
            ticket = submit(made, frame(number))
            found = made.result(ticket)["pictures"][0]
            alone = np.stack([frame(max(2, number - back)) for back in (2, 1, 0)])
            np.testing.assert_array_equal(found, expected(window_of(number) if number < 2 else alone, OFFSET))


def test_what_is_under_way_can_be_forgotten() -> None:
    with pipeline(HostOps(max)) as made:
        first, _ = submit(made, frame(5)), submit(made, frame(6))
        made.reset()
        made.forget()
        with pytest.raises(EngineError, match="the result of pass 0 was taken already"):
            made.result(first)
        for number in range(4):
            found = made.result(submit(made, frame(number)))["pictures"][0]
            np.testing.assert_array_equal(found, expected(window_of(number), OFFSET))


def test_only_the_places_that_are_asked_for_are_fetched() -> None:
    fetched: list[int] = []

    class Counting(HostOps):
        def copy_out(self, array: NDArray[np.generic], source: Buffer, stream: Stream, offset: int = 0) -> None:
            fetched.append(array.nbytes)
            super().copy_out(array, source, stream, offset)

    class EachFrame(Weighted):
        """Gives the window's frames, each for itself."""

        outputs = (TensorSpec("pictures", (T, H, W)), TensorSpec("cubes", (T, 1, H, W)))

        def made_of(self, window: NDArray[np.generic], offset: NDArray[np.generic]) -> Sequence[NDArray[np.generic]]:
            pictures = window + offset
            return pictures, 2 * pictures[:, None]

    ops = Counting()
    with ops:
        made = FramePipeline(EachFrame(ops), ops, most=2)
        made.configure({"offset": OFFSET})
        for number in range(3):
            made.take(frame(number))
        result = made.result(made.start(cubes=True, places=(2, 0)))
        for found, number in zip(result["pictures"], (2, 0), strict=True):
            np.testing.assert_array_equal(found, frame(number) + OFFSET)
        np.testing.assert_array_equal(result["cubes"][:, 0], 2 * result["pictures"])
        assert fetched == [2 * 4 * H * W] * 2
        (only,) = made.result(made.start(places=(1,)))["pictures"]
        np.testing.assert_array_equal(only, frame(1) + OFFSET)
        assert fetched[2:] == [4 * H * W]
        for wrong in ((), (3,), (0, 1, 2)):
            with pytest.raises(EngineError, match="expected 1 to 2 of 3"):
                made.start(places=wrong)
    ops.close()


def test_the_network_reads_and_writes_at_the_same_addresses_for_ever() -> None:
    """Else a pass that was recorded would be another one."""
    bound: list[str] = []

    class Noting(Weighted):
        def bind(self, name: str, address: int) -> None:
            bound.append(name)
            super().bind(name, address)

    ops = HostOps()
    with ops:
        made = FramePipeline(Noting(ops), ops)
        made.configure({"offset": OFFSET})
        for number in range(5):
            made.result(submit(made, frame(number), cubes=True))
    ops.close()
    assert sorted(bound) == ["cubes", "frames", "offset", "pictures"]


def test_passes_are_recorded_as_graphs_where_the_device_can() -> None:
    replayed: list[int] = []

    class Capturing(HostOps):
        def capture(self, work: Callable[[], None], stream: Stream) -> Callable[[], None]:
            def replay() -> None:
                replayed.append(stream.handle)
                work()

            return replay

    class Unable(HostOps):
        def capture(self, work: Callable[[], None], stream: Stream) -> Callable[[], None]:
            raise EngineError("not permitted")

    for ops, replays in ((Capturing(), 6), (Unable(), 0)):
        replayed.clear()
        with ops:
            made = FramePipeline(Weighted(ops), ops, graph=True)
            made.configure({"offset": OFFSET})
            for number in range(6):
                found = made.result(submit(made, frame(number)))["pictures"][0]
                np.testing.assert_array_equal(found, expected(window_of(number), OFFSET))
        ops.close()
        assert len(replayed) == replays


@pytest.mark.parametrize("choose", every_order()[:5])
def test_settings_hold_from_the_next_frame_on(choose: Choose) -> None:
    with pipeline(HostOps(choose)) as made:
        before = submit(made, frame(0))
        made.configure({"offset": 2 * OFFSET})
        made.configure({"offset": 3 * OFFSET})
        after = submit(made, frame(1))
        np.testing.assert_array_equal(made.result(before)["pictures"][0], expected(window_of(0), OFFSET))
        np.testing.assert_array_equal(made.result(after)["pictures"][0], expected(window_of(1), 3 * OFFSET))


def test_frames_of_eight_bits_are_taken_too() -> None:
    with pipeline(HostOps()) as made:
        eight = (frame(0) % 256).astype(np.uint8)
        ticket = submit(made, eight)
        np.testing.assert_array_equal(made.result(ticket)["pictures"][0], expected(np.stack([eight] * 3), OFFSET))


def take_wrong_size(made: FramePipeline) -> None:
    made.take(np.zeros((H, W + 1), np.uint16))


def take_wrong_type(made: FramePipeline) -> None:
    made.take(np.zeros((H, W), np.float32))


def configure_wrong_name(made: FramePipeline) -> None:
    made.configure({"gain": OFFSET})


def configure_wrong_size(made: FramePipeline) -> None:
    made.configure({"offset": OFFSET[1:]})


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (take_wrong_size, r"a frame of \(5, 8\) uint16 was given to a network for \(5, 7\)"),
        (take_wrong_type, "float32 was given"),
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
        ticket = submit(made, frame(0))
        np.testing.assert_array_equal(made.result(ticket)["pictures"][0], expected(window_of(0), OFFSET))


def test_without_its_settings_or_without_frames_nothing_begins() -> None:
    class Blind(Weighted):
        inputs = (TensorSpec("measurement", (1, T, H, W)), TensorSpec("offset", (H, W)))

    ops = HostOps()
    with ops:
        made = FramePipeline(Weighted(ops), ops)
        assert [spec.name for spec in made.settings] == ["offset"]
        with pytest.raises(EngineError, match="the settings offset were never given"):
            submit(made, frame(0))
        with pytest.raises(EngineError, match="takes no raw frames"):
            FramePipeline(Blind(ops), ops)
        with pytest.raises(EngineError, match="2 frames of a pass are to be fetched, expected 1 to 1"):
            FramePipeline(Weighted(ops), ops, most=2)
    ops.close()


def test_nothing_is_allocated_per_frame() -> None:
    with pipeline(HostOps()) as made:

        def held_after(count: int) -> int:
            for _ in range(count):
                made.result(submit(made, pixels))
            gc.collect()  # gives back what Python keeps of freed objects, too
            return tracemalloc.get_traced_memory()[0]

        pixels = frame(3)
        held_after(5)
        tracemalloc.start()
        try:
            settled = held_after(250)
            assert held_after(500) <= settled + 500
        finally:
            tracemalloc.stop()
