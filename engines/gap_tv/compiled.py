"""How the inner loops are compiled: for fixed types, when their module is imported, and kept for later processes.

Every kernel works on the rows `[first, last)` and lets go of the GIL, so that plain threads run blocks of rows side by
side (numba's own parallel layer must not be entered twice at once). Loops sit in one module for each kind of bench, so
that a first start compiles only what it needs.
"""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., None])


def compiled(signature: str) -> Callable[[Kernel], Kernel]:
    """Compile a kernel for these types."""
    return cast(Callable[[Kernel], Kernel], njit(signature, nogil=True, cache=True, fastmath=True))
