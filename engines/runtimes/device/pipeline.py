"""Raw frames in, pictures out: upload, compute and download go on beside each other, ordered by events alone.

A frame is written into a pinned slot, uploaded, and put behind its predecessors in the window that stays on the
device. A pass reconstructs what the window holds then; of the frames that are asked for, pictures and spectra come
back, and cubes where they are wanted. Two passes are under way at a time, and what is fetched of each goes through a
lane of its own: what a slot or a lane holds is touched again only after an event says that nobody reads it any more.
The network itself always reads and writes at the same addresses, so that a pass can be recorded and replayed. Nothing
is allocated after the pipeline was made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import EngineError
from livecassi.engines.runtimes.contract import AnyArray, TensorSpec, check_inputs
from livecassi.engines.runtimes.device.capture import captured
from livecassi.engines.runtimes.device.ops import Buffer, DeviceOps, Event, Stream

FRAMES = "frames"  # the input: uint8 (T, H, W', 2), the two bytes of a pixel, low byte first
CUBES = "cubes"  # the output that is fetched only where it is asked for
SLOTS, LANES = 3, 2


class Executable(Protocol):
    """A network that is loaded on the device, such as a plan of TensorRT."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What it reads."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What it writes."""
        ...

    def bind(self, name: str, address: int) -> None:
        """Where an input or output lies on the device from the next `enqueue` on."""
        ...

    def enqueue(self, stream: Stream) -> None:
        """Put one pass into the stream. Raises `EngineError`."""
        ...


@dataclass(frozen=True, slots=True)
class Ticket:
    """Stands for the pass of this number, and for the places in its outputs that are fetched."""

    number: int
    places: tuple[int, ...]
    with_cubes: bool


@dataclass(frozen=True, slots=True)
class _Slot:
    pixels: NDArray[np.uint16]
    uploaded: Event
    device: Buffer  # the same frame there, before it enters the window
    consumed: Event  # it entered


@dataclass(slots=True)
class _Lane:
    computed: Event
    downloaded: Event
    device: Mapping[str, Buffer]
    host: Mapping[str, AnyArray]
    ticket: Ticket | None = None  # a pass whose result was not taken yet


class FramePipeline:
    """Used by one thread, inside `with ops`. The first axis of every output are the frames of the window, or some of
    them; of these at most `most` are fetched at a time. `graph`: a pass is recorded as a CUDA graph where the device
    can.

    Where the device fails, the window is no longer whole: `reset` it, or make a new pipeline.
    """

    def __init__(self, executable: Executable, ops: DeviceOps, most: int = 1, graph: bool = False) -> None:
        self._executable, self._ops, self._most = executable, ops, most
        specs = {spec.name: spec for spec in executable.inputs}
        frames = specs.pop(FRAMES, None)
        if frames is None or frames.dtype != "uint8" or len(frames.shape) != 4 or frames.shape[-1] != 2:
            raise EngineError(
                f"this network takes no raw frames: expected an input '{FRAMES}' (T, H, W', 2) of uint8, found "
                f"{frames or 'none'}; export it with camera frames"
            )
        self._length, self._shape = frames.shape[0], (frames.shape[1], frames.shape[2])
        self._places = min(spec.shape[0] for spec in executable.outputs)
        if not 1 <= most <= self._places:
            raise EngineError(f"{most} frames of a pass are to be fetched, expected 1 to {self._places}, all it gives")
        self._frame_bytes = frames.nbytes // self._length
        self._upload, self._compute, self._download = (ops.stream() for _ in range(3))
        self._window = ops.alloc(frames.nbytes)
        executable.bind(FRAMES, self._window.address)
        self._settings = {name: _Setting.make(spec, ops) for name, spec in specs.items()}
        for name, setting in self._settings.items():
            executable.bind(name, setting.device.address)
        self._slots = [
            _Slot(ops.pinned(self._shape, np.uint16), ops.event(), ops.alloc(self._frame_bytes), ops.event())
            for _ in range(SLOTS)
        ]
        self._outputs = {spec.name: ops.alloc(spec.nbytes) for spec in executable.outputs}
        for name, buffer in self._outputs.items():
            executable.bind(name, buffer.address)
        self._lanes = [self._lane() for _ in range(LANES)]
        self._run = self._recorded() if graph else partial(executable.enqueue, self._compute)
        self._frames = self._passes = 0  # since the start
        self._empty = True  # the window

    @property
    def length(self) -> int:
        """T, the frames of the window."""
        return self._length

    @property
    def settings(self) -> tuple[TensorSpec, ...]:
        """What `configure` takes: every input but the frames."""
        return tuple(setting.spec for setting in self._settings.values())

    def configure(self, values: Mapping[str, AnyArray]) -> None:
        """Change settings, all of them before the first frame: they hold from the next frame on."""
        for name, value in values.items():
            if name not in self._settings:
                raise EngineError(f"this network has no setting '{name}'; it has {', '.join(sorted(self._settings))}")
            setting = self._settings[name]
            check_inputs((setting.spec,), {name: value}, "the network")
            self._ops.synchronize(setting.sent)
            np.copyto(setting.host, value)
            self._ops.copy_in(setting.device, setting.host, self._compute)  # behind the passes that read the old one
            self._ops.record(setting.sent, self._compute)
            setting.given = True

    def reset(self) -> None:
        """The next frame has no predecessors: the window is filled with it."""
        self._empty = True

    def forget(self) -> None:
        """Nobody will take the results that were not taken yet."""
        for lane in self._lanes:
            lane.ticket = None

    def take(self, pixels: NDArray[Any]) -> None:
        """Put a frame `(H, W')` of uint8 or uint16 behind those in the window; returns while the device works.

        Raises `EngineError` for another size or type.
        """
        if pixels.shape != self._shape or pixels.dtype not in (np.uint8, np.uint16):
            raise EngineError(
                f"a frame of {pixels.shape} {pixels.dtype} was given to a network for {self._shape} pixels of uint8 "
                "or uint16; export the network for this size"
            )
        self._enter(pixels, self._slots[self._frames % SLOTS])
        self._frames += 1

    def start(self, cubes: bool = False, places: Sequence[int] = (-1,)) -> Ticket:
        """Reconstruct the window as it is now and fetch what is made of the frames at `places`, `cubes` too or not.

        Returns while the device works. Raises `EngineError` while a setting is missing, for places that there are
        not, and where a result was not taken that would now be overwritten.
        """
        if missing := [name for name, setting in self._settings.items() if not setting.given]:
            raise EngineError(f"the settings {', '.join(missing)} were never given; configure the pipeline first")
        wanted = tuple(place % self._places for place in places if -self._places <= place < self._places)
        if len(wanted) != len(places) or not 1 <= len(wanted) <= self._most:
            raise EngineError(f"places {list(places)} found, expected 1 to {self._most} of {self._places}")
        lane = self._lanes[self._passes % LANES]
        if lane.ticket is not None:
            raise EngineError(
                f"{LANES} passes are under way; take the result of pass {lane.ticket.number} before the next one"
            )
        ticket = Ticket(self._passes, wanted, cubes)
        self._reconstruct(lane, ticket)
        self._passes += 1
        return ticket

    def result(self, ticket: Ticket) -> dict[str, AnyArray]:
        """Wait for the outputs of a pass by name, one entry for each place, cubes among them where they were asked for.

        The arrays are overwritten once two more passes were started. Raises `EngineError` for a result that was taken
        before.
        """
        for lane in self._lanes:
            if lane.ticket == ticket:
                lane.ticket = None  # also where the wait fails
                self._ops.synchronize(lane.downloaded)
                return {name: lane.host[name][: len(ticket.places)] for name in self._fetched(ticket)}
        raise EngineError(f"the result of pass {ticket.number} was taken already or is not from here")

    def _enter(self, pixels: NDArray[Any], slot: _Slot) -> None:
        """Upload a frame and let it enter the window."""
        self._ops.synchronize(slot.uploaded)  # the last frame has left the slot
        np.copyto(slot.pixels, pixels)
        self._ops.wait(self._upload, slot.consumed)  # and its place on the device
        self._ops.copy_in(slot.device, slot.pixels, self._upload)
        self._ops.record(slot.uploaded, self._upload)
        self._ops.wait(self._compute, slot.uploaded)
        step, last = self._frame_bytes, self._length - 1
        if not self._empty:
            for place in range(last):  # one by one: a copy may not overlap itself
                self._copy(self._window, place * step, (place + 1) * step)
        for place in range(last + 1) if self._empty else (last,):
            self._copy(slot.device, place * step)
        self._ops.record(slot.consumed, self._compute)
        self._empty = False

    def _copy(self, source: Buffer, at: int, start: int = 0) -> None:
        """A frame to its place in the window."""
        self._ops.copy_across(self._window, source, self._frame_bytes, self._compute, start=start, at=at)

    def _reconstruct(self, lane: _Lane, ticket: Ticket) -> None:
        ops, names = self._ops, self._fetched(ticket)
        self._run()
        ops.wait(self._compute, lane.downloaded)  # what the lane held before was fetched
        for name in names:
            step = lane.host[name][0].nbytes
            for number, place in enumerate(ticket.places):
                to, source = lane.device[name], self._outputs[name]
                ops.copy_across(to, source, step, self._compute, start=place * step, at=number * step)
        ops.record(lane.computed, self._compute)
        ops.wait(self._download, lane.computed)
        for name in names:
            ops.copy_out(lane.host[name][: len(ticket.places)], lane.device[name], self._download)
        ops.record(lane.downloaded, self._download)
        lane.ticket = ticket

    def _fetched(self, ticket: Ticket) -> list[str]:
        return [spec.name for spec in self._executable.outputs if ticket.with_cubes or spec.name != CUBES]

    def _lane(self) -> _Lane:
        ops = self._ops
        host = {spec.name: ops.pinned((self._most, *spec.shape[1:]), spec.dtype) for spec in self._executable.outputs}
        return _Lane(ops.event(), ops.event(), {name: ops.alloc(array.nbytes) for name, array in host.items()}, host)

    def _recorded(self) -> Callable[[], None]:
        run, stream, done = partial(self._executable.enqueue, self._compute), self._compute, self._ops.event()
        run()  # the last kernels are made now
        self._ops.record(done, stream)
        self._ops.synchronize(done)
        return captured(self._ops, run, stream)


@dataclass(slots=True)
class _Setting:
    spec: TensorSpec
    device: Buffer
    host: AnyArray
    sent: Event
    given: bool = False

    @classmethod
    def make(cls, spec: TensorSpec, ops: DeviceOps) -> "_Setting":
        return cls(spec, ops.alloc(spec.nbytes), ops.pinned(spec.shape, spec.dtype), ops.event())
