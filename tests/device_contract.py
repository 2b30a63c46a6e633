"""What every `DeviceOps` must do, run against fakes of the libraries everywhere and against the real ones on a GPU."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from livecassi.engines import EngineError
from livecassi.engines.runtimes.device.ops import Buffer, DeviceOps, Event, Stream

Act = Callable[[DeviceOps], object]


class DeviceOpsContract:
    """A subclass gives the fixture `ops`, which is not entered yet."""

    def test_bytes_go_in_across_and_out_in_the_order_of_events(self, ops: DeviceOps) -> None:
        with ops:
            sent, got = ops.pinned((3, 5), np.uint16), ops.pinned((2, 5), np.uint16)
            first, second = ops.alloc(64), ops.alloc(48)
            upload, compute, download = ops.stream(), ops.stream(), ops.stream()
            uploaded, computed, downloaded = ops.event(), ops.event(), ops.event()
            sent[:] = np.arange(15).reshape(3, 5) * 1000
            ops.copy_in(first, sent, upload, 8)
            ops.record(uploaded, upload)
            ops.wait(compute, uploaded)
            ops.copy_across(second, first, 20, compute, start=18, at=4)  # rows 1 and 2
            ops.record(computed, compute)
            ops.wait(download, computed)
            ops.copy_out(got, second, download, 4)
            ops.record(downloaded, download)
            ops.synchronize(downloaded)
            np.testing.assert_array_equal(got, sent[1:])
        ops.close()

    def test_parts_of_pinned_arrays_are_copied(self, ops: DeviceOps) -> None:
        with ops:
            ring, buffer, stream, done = ops.pinned((4, 3, 7), np.uint8), ops.alloc(21), ops.stream(), ops.event()
            ring[2] = 7
            ops.copy_in(buffer, ring[2], stream)
            ops.copy_out(ring[0], buffer, stream)
            ops.record(done, stream)
            ops.synchronize(done)
            assert (ring[0] == 7).all()
            assert (ring[1] != 7).any()
        ops.close()

    def test_memory_stays_between_two_visits_and_another_thread_may_come(self, ops: DeviceOps) -> None:
        with ops, ops:  # entering twice is allowed
            sent, buffer, stream, done = ops.pinned((6,), np.float32), ops.alloc(24), ops.stream(), ops.event()
            sent[:] = np.arange(6)
            ops.copy_in(buffer, sent, stream)
            ops.record(done, stream)
            ops.synchronize(done)
        failures: list[BaseException] = []

        def elsewhere() -> None:
            try:
                with ops:
                    got = ops.pinned((6,), np.float32)
                    ops.copy_out(got, buffer, stream)
                    ops.record(done, stream)
                    ops.synchronize(done)
                    np.testing.assert_array_equal(got, sent)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert not failures, failures
        ops.close()

    def test_an_event_that_was_never_recorded_holds_nobody_up(self, ops: DeviceOps) -> None:
        with ops:
            event = ops.event()
            ops.wait(ops.stream(), event)
            ops.synchronize(event)
        ops.close()

    @pytest.mark.parametrize(
        "act",
        [
            lambda ops: ops.alloc(8),
            lambda ops: ops.pinned((2,), np.uint8),
            lambda ops: ops.stream(),
            lambda ops: ops.event(),
        ],
        ids=["alloc", "pinned", "stream", "event"],
    )
    def test_outside_with_nothing_is_done(self, ops: DeviceOps, act: Act) -> None:
        with pytest.raises(EngineError, match="not current in this thread; use it inside 'with'"):
            act(ops)
        ops.close()

    def test_another_thread_that_did_not_enter_is_refused(self, ops: DeviceOps) -> None:
        refused: list[str] = []
        with ops:
            buffer, sent, stream = ops.alloc(8), ops.pinned((8,), np.uint8), ops.stream()

            def elsewhere() -> None:
                try:
                    ops.copy_in(buffer, sent, stream)
                except EngineError as error:
                    refused.append(str(error))

            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
        assert refused == ["the device is not current in this thread; use it inside 'with'"]
        ops.close()

    def test_what_does_not_fit_or_is_not_pinned_is_refused(self, ops: DeviceOps) -> None:
        with ops:
            buffer, stream, sent = ops.alloc(20), ops.stream(), ops.pinned((4, 6), np.uint8)
            with pytest.raises(EngineError, match="bytes 0 to 24 lie outside a device buffer of 20 bytes"):
                ops.copy_in(buffer, sent, stream)
            with pytest.raises(EngineError, match="bytes 15 to 21 lie outside"):
                ops.copy_out(sent[0], buffer, stream, 15)
            with pytest.raises(EngineError, match="is not pinned memory of this device"):
                ops.copy_in(buffer, np.zeros(4, np.uint8), stream)
            with pytest.raises(EngineError, match="only contiguous, writable arrays"):
                ops.copy_in(buffer, sent[:, :3], stream)
            with pytest.raises(EngineError, match="would overlap itself"):
                ops.copy_across(buffer, buffer, 10, stream, start=0, at=9)
            ops.copy_across(buffer, buffer, 10, stream, start=0, at=10)
        ops.close()

    def test_what_was_freed_or_never_made_is_refused(self, ops: DeviceOps) -> None:
        with ops:
            buffer, stream, sent = ops.alloc(8), ops.stream(), ops.pinned((8,), np.uint8)
            ops.free(buffer)
            for act in (
                lambda: ops.copy_in(buffer, sent, stream),
                lambda: ops.free(buffer),
                lambda: ops.copy_in(Buffer(12345, 8), sent, stream),
                lambda: ops.record(Event(99), stream),
                lambda: ops.synchronize(Event(99)),
                lambda: ops.record(ops.event(), Stream(987654)),
            ):
                with pytest.raises(EngineError, match=r"was freed|belongs to another device"):
                    act()
        ops.close()

    def test_after_closing_everything_is_gone_and_closing_again_is_no_error(self, ops: DeviceOps) -> None:
        with ops:
            buffer, stream, sent = ops.alloc(8), ops.stream(), ops.pinned((8,), np.uint8)
            with pytest.raises(EngineError, match="still in use by another thread"):
                _in_another_thread(ops.close)
        ops.close()
        ops.close()
        with ops, pytest.raises(EngineError, match=r"was freed|not pinned"):
            ops.copy_in(buffer, sent, stream)
        ops.close()

    def test_it_says_what_it_is(self, ops: DeviceOps) -> None:
        assert ops.describes
        ops.close()


def _in_another_thread(act: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def elsewhere() -> None:
        try:
            act()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
