"""The feed: the newest frame for the screen, frames in order for a capture, and words where a source is lost."""

from collections.abc import Iterator
from itertools import islice

import pytest
from fakes import FakeSource

from livecassi.app.calibrating.feed import Feed
from livecassi.calibration.capture import CaptureKind, capture_frames
from livecassi.drivers import Frame, SourceLostError, StopSignal

SHAPE = (5, 9)


@pytest.fixture
def feeds() -> Iterator[list[Feed]]:
    made: list[Feed] = []
    yield made
    for feed in made:
        feed.stop()


def started(feeds: list[Feed], source: FakeSource) -> Feed:
    feed = Feed(source)
    feeds.append(feed)
    feed.start()
    return feed


def test_a_capture_gets_frames_in_order_and_the_screen_the_newest(feeds: list[Feed]) -> None:
    feed = started(feeds, FakeSource(SHAPE))
    lent = [frame.index for frame in islice(feed.frames(), 20)]
    assert lent == list(range(lent[0], lent[0] + 20))
    assert feed.newest is not None
    assert feed.newest.index >= lent[-1]
    assert feed.error is None


def test_frames_that_were_under_way_are_left_out(feeds: list[Feed]) -> None:
    source = FakeSource(SHAPE, gated=True)
    feed = started(feeds, source)
    assert source.gate is not None
    lent = feed.frames(skip=2)
    taken = capture_frames(_with_gate(lent, source), CaptureKind.DARK, 4)
    assert taken.mean[0, 0] == pytest.approx((2 + 3 + 4 + 5) / 4)


def test_a_probe_was_exposed_after_the_call(feeds: list[Feed]) -> None:
    feed = started(feeds, FakeSource(SHAPE))
    before = feed.probe().index
    assert feed.probe().index > before + 1


def _with_gate(frames: Iterator[Frame], source: FakeSource) -> Iterator[Frame]:
    assert source.gate is not None
    for _ in range(6):
        source.gate.release()
    yield from frames


def test_two_borrowers_do_not_take_each_others_frames(feeds: list[Feed]) -> None:
    feed = started(feeds, FakeSource(SHAPE))
    one, other = feed.frames(), feed.frames()
    pairs = [(next(one).index, next(other).index) for _ in range(5)]
    assert all(b - a == pairs[0][1] - pairs[0][0] for a, b in pairs)


def test_a_lost_source_ends_a_capture_in_its_words_and_can_be_reconnected(feeds: list[Feed]) -> None:
    source = FakeSource(SHAPE, lose_at=10)
    feed = started(feeds, source)
    with pytest.raises(SourceLostError, match="unplugged"):
        list(feed.frames())
    assert isinstance(feed.error, SourceLostError)
    assert not feed.running
    with pytest.raises(SourceLostError, match="unplugged"):
        feed.frames()
    source.lose_at = None
    feed.reconnect()
    assert len(list(islice(feed.frames(), 12))) == 12
    assert feed.error is None


def test_frames_that_came_before_a_loss_are_still_lent(feeds: list[Feed]) -> None:
    source = FakeSource(SHAPE, gated=True, lose_at=6)
    feed = started(feeds, source)
    assert source.gate is not None
    lent = feed.frames(skip=0)
    for _ in range(7):
        source.gate.release()
    assert [frame.index for frame in islice(lent, 6)] == [0, 1, 2, 3, 4, 5]


def test_stopping_leaves_the_source_and_tells_the_borrower(feeds: list[Feed]) -> None:
    source = FakeSource(SHAPE)
    feed = started(feeds, source)
    lent = feed.frames()
    next(lent)
    feed.stop()
    feed.stop()
    assert not source.running
    with pytest.raises(SourceLostError, match="no more frames"):
        list(lent)


def test_a_file_waits_for_a_slow_reader_and_nothing_is_left_out(feeds: list[Feed]) -> None:
    source = FakeSource(SHAPE, count=300, is_file=True, gated=True, interval_s=0)
    feed = started(feeds, source)
    assert source.gate is not None
    lent = feed.frames()
    for _ in range(300):
        source.gate.release()
    assert [frame.index for frame in islice(lent, 300)] == list(range(300))


def test_an_unexpected_error_is_told_as_a_loss(feeds: list[Feed], caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeSource):
        def frames(self, stop: StopSignal) -> Iterator[Frame]:
            yield from islice(super().frames(stop), 3)
            raise ZeroDivisionError("a pixel clock of 0")

    source = Broken(SHAPE, gated=True)
    feed = started(feeds, source)
    lent = feed.frames(skip=0)
    assert source.gate is not None
    for _ in range(3):
        source.gate.release()
    with pytest.raises(SourceLostError, match="pixel clock of 0"):
        list(lent)
    assert "unexpected error" in caplog.text
