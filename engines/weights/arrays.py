"""The tensors of a file of weights as NumPy arrays, for runtimes that need no torch."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import WeightsError
from livecassi.engines.weights.card import WeightsCard
from livecassi.engines.weights.header import check_content, read_bytes, read_card, read_header

_TYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}


def load_arrays(path: Path) -> tuple[WeightsCard, dict[str, NDArray[np.float32]]]:
    """The card and the tensors in float32, compared with the hash on the card.

    Raises `WeightsError`: not there, not safetensors, truncated, without a card, changed, of a type that is not a
    floating-point number of 16, 32 or 64 bits, NaN or infinite values.
    """
    card = read_card(path)
    header, data = read_header(path), read_bytes(path)
    check_content(header, card, data, path)
    view = memoryview(data)[header.data_start :]
    arrays = {}
    for name, entry in header.tensors.items():
        if entry.dtype not in _TYPES:
            raise WeightsError(
                f"tensor '{name}' of {path} has type {entry.dtype}, expected one of {', '.join(_TYPES)}; "
                "export the weights again in float32"
            )
        values = np.frombuffer(view[slice(*entry.data_offsets)], _TYPES[entry.dtype]).astype(np.float32)
        if not np.isfinite(values).all():
            raise WeightsError(f"tensor '{name}' of {path} holds NaN or infinite values; use other weights")
        arrays[name] = values.reshape(entry.shape)
    return card, arrays
