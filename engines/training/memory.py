"""When memory runs out: which batch would fit."""

import gc
import traceback
from collections.abc import Callable

import torch

from livecassi.engines.errors import TrainingError


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch could not get the memory for a tensor, on a GPU or a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )


def out_of_memory(error: RuntimeError, batch: int, attempt: Callable[[int], None]) -> TrainingError:
    """The error to raise: it names the largest batch that fits among halves of `batch`, by making `attempt(batch)`."""
    what = str(error).splitlines()[0]
    traceback.clear_frames(error.__traceback__)  # they hold features, for as long as the error is kept
    fitting = _largest_fitting(batch // 2, attempt)
    advice = (
        f"a batch of {fitting} fits: set [run] batch = {fitting}, in a new folder by --out"
        if fitting
        else "not even a batch of 1 fits: choose smaller crops in [network], or another device"
    )
    return TrainingError(f"the memory of the device does not hold a batch of {batch} ({what}); {advice}")


def _largest_fitting(batch: int, attempt: Callable[[int], None]) -> int | None:
    while batch >= 1:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            attempt(batch)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)
            batch //= 2
        else:
            return batch
    return None
