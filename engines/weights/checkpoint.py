"""The checkpoints that authors publish (.pth, .pt, bare .safetensors): their tensors by name, and no code.

A .pth file is a pickle, which may carry code that runs when it is read. Only tensors and plain containers are let
through; a file that asks for anything else is refused and none of it runs.
"""

import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from livecassi.engines.errors import WeightsError
from livecassi.engines.weights.file import parse_safetensors
from livecassi.engines.weights.header import is_safetensors, read_bytes, read_header

if TYPE_CHECKING:
    from torch import Tensor

    from livecassi.engines.weights.tensors import State

HOLDERS = ("state_dict", "model", "params")  # under which checkpoints keep the tensors, besides optimisers and counters
# What the reader of damaged files raises: it follows offsets and lengths that mean nothing.
_PARSER_FAULTS = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError,
    TypeError, ValueError, struct.error,
)  # fmt: skip
_AFTERWARDS = "in the environment that made it, save only its tensors: torch.save(network.state_dict(), FILE)"


def read_checkpoint(path: Path) -> "State":
    """The tensors of a checkpoint as they are, without a leading "module.".

    Raises `WeightsError`: not there, truncated, no checkpoint, with code in it, or without tensors by name.
    """
    from livecassi.engines.weights.tensors import unwrap

    if is_safetensors(path):
        read_header(path)
        return unwrap(parse_safetensors(read_bytes(path), path))
    if path.suffix.lower() == ".safetensors":
        raise WeightsError(f"{path} is not a safetensors file, or its beginning is lost; copy or download it again")
    return unwrap(_tensors_in(_unpickle(path), path))


def _unpickle(path: Path) -> object:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of archives and pickles that it then refuses
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # The message of torch is not passed on: it advises to let the code run.
        if asked := re.search(r"GLOBAL (\S+)", str(error)):
            raise WeightsError(
                f"{path} holds more than tensors: reading it would run '{asked[1]}', so it was not read; {_AFTERWARDS}"
            ) from error
        raise WeightsError(_no_checkpoint(path, "its pickle cannot be followed")) from error
    except _PARSER_FAULTS as error:
        if "TorchScript" in str(error):
            raise WeightsError(f"{path} is a TorchScript program, which is code; {_AFTERWARDS}") from error
        reason = re.split(r"\n|\. ", str(error))[0] or "it ends too early"  # torch goes on for a paragraph
        raise WeightsError(_no_checkpoint(path, f"{type(error).__name__}: {reason}")) from error
    return content


def _no_checkpoint(path: Path, reason: str) -> str:
    return (
        f"{path} is damaged or not a checkpoint ({reason}); expected a file of torch.save or a .safetensors file, "
        "copy or download it again"
    )


def _tensors_in(content: object, path: Path) -> "dict[str, Tensor]":
    import torch

    if not isinstance(content, Mapping):
        raise WeightsError(
            f"{path} holds {_kind(content)}, expected tensors by name, or a table with such under "
            f"{', '.join(HOLDERS)}; {_AFTERWARDS}"
        )
    holder = next((name for name in HOLDERS if isinstance(content.get(name), Mapping)), None)
    found = content if holder is None else content[holder]
    tensors = {name: value for name, value in found.items() if isinstance(name, str) and torch.is_tensor(value)}
    if not tensors or len(tensors) < len(found):
        odd = [f"{name} ({type(value).__name__})" for name, value in found.items() if name not in tensors]
        what = f"entries that are no tensors: {', '.join(odd[:5])}" if odd else "nothing"
        raise WeightsError(
            f"{path} holds {what}{f' under {holder!r}' if holder else ''}; expected tensors by name, or a table with "
            f"such under {', '.join(HOLDERS)}"
        )
    return tensors


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"
