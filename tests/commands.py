"""Running `livecassi` in this process, for tests of the command line; the fixture `run` is in conftest.py."""

from collections.abc import Callable
from typing import NamedTuple


class Outcome(NamedTuple):
    """How a command ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]
