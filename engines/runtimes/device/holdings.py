"""What one `DeviceOps` has given out: by number or address to the library's own objects, refused after it is freed."""

from typing import Generic, TypeVar

import numpy as np

from livecassi.engines.errors import EngineError
from livecassi.engines.runtimes.contract import AnyArray
from livecassi.engines.runtimes.device.ops import Buffer

Held = TypeVar("Held")


class Holdings(Generic[Held]):
    """The library's object behind each handle."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._held: dict[int, Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def add(self, handle: int, held: Held) -> None:
        """Keep it."""
        self._held[handle] = held

    def number(self, held: Held) -> int:
        """Keep it under a number of its own, which is given."""
        number = max(self._held, default=0) + 1
        self._held[number] = held
        return number

    def of(self, handle: int) -> Held:
        """The object. Raises `EngineError` for one that was freed or is not from here."""
        if handle not in self._held:
            raise EngineError(f"this {self._kind} was freed or belongs to another device; make a new one")
        return self._held[handle]

    def drop(self, handle: int) -> Held:
        """The object, which is kept no longer."""
        held = self.of(handle)
        del self._held[handle]
        return held

    def clear(self) -> list[Held]:
        """All objects, none of which is kept any longer."""
        held = list(self._held.values())
        self._held.clear()
        return held


class PinnedArrays:
    """The host arrays that were given out. Pageable memory in their place would make copies synchronous, or wrong."""

    def __init__(self) -> None:
        self._arrays: list[AnyArray] = []

    def add(self, array: AnyArray) -> AnyArray:
        """Keep it."""
        self._arrays.append(array)
        return array

    def bytes_of(self, array: AnyArray) -> AnyArray:
        """The bytes `(n,)` uint8 of a pinned array or a contiguous part of one, not copied. Raises `EngineError`."""
        if not array.flags.c_contiguous or not array.flags.writeable:
            raise EngineError(
                "only contiguous, writable arrays are copied from and to the device; take one from pinned()"
            )
        if not any(np.may_share_memory(array, pinned) for pinned in self._arrays):
            raise EngineError("this host array is not pinned memory of this device; take one from pinned()")
        return array.reshape(-1).view(np.uint8)

    def clear(self) -> list[AnyArray]:
        """All arrays, none of which is kept any longer."""
        arrays, self._arrays = self._arrays, []
        return arrays


def check_range(buffer: Buffer, offset: int, nbytes: int) -> None:
    """Raises `EngineError` where a copy would reach beyond the buffer."""
    if offset < 0 or nbytes < 0 or offset + nbytes > buffer.nbytes:
        raise EngineError(f"bytes {offset} to {offset + nbytes} lie outside a device buffer of {buffer.nbytes} bytes")


def check_apart(to: Buffer, at: int, source: Buffer, start: int, nbytes: int) -> None:
    """Raises `EngineError` where a copy leaves a buffer or overlaps itself, which devices do in any order."""
    check_range(to, at, nbytes)
    check_range(source, start, nbytes)
    if abs((to.address + at) - (source.address + start)) < nbytes:
        raise EngineError(f"a copy of {nbytes} bytes on the device would overlap itself; copy in smaller pieces")
