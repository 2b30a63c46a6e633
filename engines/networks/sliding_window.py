"""A window of frames that slides over a sequence, for networks that reconstruct several frames jointly.

A pass of the network takes `length` consecutive frames. With hop h one pass is made per h new frames, so that a cube
costs 1/h of a pass but comes h - 1 frames late; where the centre frame is wanted, it comes one frame later still and
is seen with a neighbour on either side. Frames are neighbours only where their indices follow each other: at a gap the
run ends, what is owed to it is settled from its own frames, and a new run begins. A run that is shorter than the window
is filled up with copies of its first frame; a single frame stands for all. Where a pass fails everything is forgotten,
as by `reset`: cubes after a failure never mix with those before. Pictures that do not belong together have no
neighbours at all: each is such a single frame, whatever its index.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar


class Numbered(Protocol):
    """A frame, in whatever form, that knows its place in the sequence."""

    @property
    def frame_index(self) -> int:
        """The next frame has the next number."""
        ...


Seen = TypeVar("Seen", bound=Numbered)  # what the network looks at, such as a measurement
Made = TypeVar("Made")  # what it makes of it, such as a cube; brought from the device only where it is handed out


class Output(StrEnum):
    """Which frame of a window is shown where there is one new frame per pass."""

    LATEST = "latest"  # at once, but seen without the frame after it
    CENTRE = "centre"  # one frame late, with a neighbour on either side


class Frames(StrEnum):
    """Whether frames belong together."""

    VIDEO = "video"  # frames whose indices follow each other are neighbours
    STILLS = "stills"  # every frame stands alone


@dataclass(slots=True)
class _Taken(Generic[Seen, Made]):
    """A measurement of the present run; `call` numbers those that a cube is owed to."""

    measurement: Seen
    call: int | None
    fetch: Callable[[], Made] | None = None  # its cube is made already, but will be made again if the next frame comes


class SlidingWindow(Generic[Seen, Made]):
    """Hands windows of `length` frames to `reconstruct(frames, positions)`, which makes the cubes at `positions`.

    Stills have no neighbours to wait for: `hop` and `output` play no part in them.
    """

    def __init__(
        self,
        reconstruct: Callable[[Sequence[Seen], Sequence[int]], Sequence[Callable[[], Made]]],
        length: int,
        hop: int = 1,
        output: Output = Output.LATEST,
        frames: Frames = Frames.VIDEO,
    ) -> None:
        if not 1 <= hop <= length:
            raise ValueError(f"hop {hop}: expected 1 to {length}, the number of frames of one pass")
        self._reconstruct = reconstruct
        self._length = length
        self._alone = frames is Frames.STILLS
        self._hop = 1 if self._alone else hop
        self._ahead = 1 if output is Output.CENTRE and hop < length - 1 and not self._alone else 0
        self._run: deque[_Taken[Seen, Made]] = deque()
        self._ready: deque[tuple[int, Made]] = deque()
        self._calls = 0

    @property
    def reach(self) -> int:
        """How many consecutive frames a cube draws on."""
        return 1 if self._alone else self._length

    @property
    def hop(self) -> int:
        """How many frames are new in each pass."""
        return self._hop

    @property
    def latency(self) -> int:
        """How many calls of `take` later a cube comes."""
        return self._hop - 1 + self._ahead

    def take(self, measurement: Seen) -> Made | None:
        """The cube of the measurement taken `latency` calls before, None for the first calls."""
        with self._forgetting_on_failure():
            self._add(measurement, self._calls)
        self._calls += 1
        if self._ready and self._ready[0][0] < self._calls - self.latency:
            return self._ready.popleft()[1]
        return None

    def observe(self, measurement: Seen) -> None:
        """Take a neighbour that no cube is owed to."""
        with self._forgetting_on_failure():
            self._add(measurement, None)

    def flush(self) -> list[Made]:
        """End the sequence: every cube that is still owed, oldest first."""
        with self._forgetting_on_failure():
            self._end_run()
        cubes = [cube for _, cube in self._ready]
        self.reset()
        return cubes

    def reset(self) -> None:
        """Forget all frames and what is owed to them."""
        self._run.clear()
        self._ready.clear()
        self._calls = 0

    @contextmanager
    def _forgetting_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.reset()
            raise

    def _add(self, measurement: Seen, call: int | None) -> None:
        if self._run and (self._alone or measurement.frame_index != self._run[-1].measurement.frame_index + 1):
            self._end_run()
        self._run.append(_Taken(measurement, call))
        if len(self._run) > self._length:
            self._run.popleft()
        if self._waiting() >= self._hop + self._ahead:
            self._pass()
            self._settle(keep=self._ahead)

    def _waiting(self) -> int:
        """How many frames the run has from the oldest one on that a cube is owed to; they all fit into one pass."""
        return next((len(self._run) - place for place, taken in enumerate(self._run) if taken.call is not None), 0)

    def _end_run(self) -> None:
        if any(taken.call is not None and taken.fetch is None for taken in self._run):
            self._pass()
        self._settle(keep=0)
        self._run.clear()

    def _pass(self) -> None:
        """One pass over the latest frames: a cube for each that one is owed to."""
        missing = self._length - len(self._run)
        frames = [self._run[0]] * missing + list(self._run)
        wanted = [taken for taken in self._run if taken.call is not None]
        measurements = [taken.measurement for taken in frames]
        positions = [self._position(taken, frames) for taken in wanted]
        for taken, fetch in zip(wanted, self._reconstruct(measurements, positions), strict=True):
            taken.fetch = fetch

    def _position(self, wanted: _Taken[Seen, Made], frames: list[_Taken[Seen, Made]]) -> int:
        """Where a frame stands in the window; of copies the one nearest to the centre, which has most neighbours."""
        places = [place for place, taken in enumerate(frames) if taken is wanted]
        return min(places, key=lambda place: abs(2 * place - len(frames) + 1))

    def _settle(self, keep: int) -> None:
        """Hand over the cubes that were made, but for the last `keep` frames, which may get better ones."""
        for taken in list(self._run)[: len(self._run) - keep]:
            if taken.call is not None and taken.fetch is not None:
                self._ready.append((taken.call, taken.fetch()))
                taken.call = taken.fetch = None
