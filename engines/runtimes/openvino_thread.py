"""OpenVINO is touched first in a thread that ends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")


def in_a_thread_of_its_own(work: Callable[[], Made]) -> Made:
    """What `work` gives, done in a thread that ends with it.

    OpenVINO (2026.4) gives the thread that first asks it for a CPU a stack for signals, and frees that with the
    network wherever it is closed: the next signal of the thread, Ctrl+C or the end of a child process, would end the
    program.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="livecassi-openvino") as once:
        return once.submit(work).result()
