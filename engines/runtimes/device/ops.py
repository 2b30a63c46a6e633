"""What a runtime asks of a device: memory there and here, copies in streams, events that order them."""

from dataclasses import dataclass
from typing import Protocol, Self

from numpy.typing import DTypeLike

from livecassi.engines.runtimes.contract import AnyArray


@dataclass(frozen=True, slots=True)
class Buffer:
    """`nbytes` of device memory from `address` on."""

    address: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Stream:
    """A queue of work on the device, done in order; `handle` is its cudaStream_t."""

    handle: int


@dataclass(frozen=True, slots=True)
class Event:
    """A mark in a stream; `number` is its name among the events of one `DeviceOps`."""

    number: int


class DeviceOps(Protocol):
    """A device, current in a thread from entering to leaving; entering again is allowed, from another thread too.

    Everything but `close` is called by the thread that is inside; memory, streams and events stay when it leaves.
    Copies are asynchronous: what they touch may be used again only after an event behind them was waited for. Host
    arrays must come from `pinned`. Raises `EngineError` for what was freed, made elsewhere, or does not fit.
    """

    @property
    def describes(self) -> str:
        """The device and the library that drives it, in words."""
        ...

    def __enter__(self) -> Self:
        """Make the device current. Raises `RuntimeUnavailableError` or `DriverError`."""
        ...

    def __exit__(self, *exception: object) -> None: ...

    def close(self) -> None:
        """Wait for all work and give everything back, from any thread; may be called twice."""
        ...

    def alloc(self, nbytes: int) -> Buffer:
        """Device memory. Raises `DeviceMemoryError`."""
        ...

    def free(self, buffer: Buffer) -> None:
        """Wait for all work and give the memory back."""
        ...

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> AnyArray:
        """A host array that the device copies from and to while the program goes on. Raises `DeviceMemoryError`."""
        ...

    def stream(self) -> Stream:
        """A new stream that waits for no other."""
        ...

    def event(self) -> Event:
        """A new event, without timing; until it is recorded nobody waits for it."""
        ...

    def copy_in(self, to: Buffer, array: AnyArray, stream: Stream, offset: int = 0) -> None:
        """All of `array` to the device, `offset` bytes into the buffer."""
        ...

    def copy_out(self, array: AnyArray, source: Buffer, stream: Stream, offset: int = 0) -> None:
        """From the device, `offset` bytes into the buffer, to fill `array`."""
        ...

    def copy_across(self, to: Buffer, source: Buffer, nbytes: int, stream: Stream, start: int = 0, at: int = 0) -> None:
        """`nbytes` from `start` bytes into the source to `at` bytes into the other; the two may not overlap."""
        ...

    def record(self, event: Event, stream: Stream) -> None:
        """The event now marks what is in the stream so far."""
        ...

    def wait(self, stream: Stream, event: Event) -> None:
        """What comes into the stream from now on waits for what the event marks now."""
        ...

    def synchronize(self, event: Event) -> None:
        """Wait here, other threads going on, until what the event marks is done. Raises `EngineError` if it failed."""
        ...
