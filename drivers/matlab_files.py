"""Arrays out of MATLAB files: v4 and v5 through scipy, v7.3 (HDF5) through h5py."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecassi.drivers.errors import SourceUnsupportedError
from livecassi.drivers.mat5_elements import check_numeric_matrix

_NUMERIC_CLASSES = (
    "double", "single", "logical",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
)  # fmt: skip


def read_mat(path: Path, preferred_keys: Sequence[str], key: str | None) -> NDArray[Any]:
    """One array of a .mat file, axes as MATLAB shows them (v7.3 stores them reversed).

    Which one: `key`, else the first of `preferred_keys`, else the only numeric array with at least two rows and two
    columns. Raises `SourceUnsupportedError` where none or several could be meant; parser faults pass.
    """
    import h5py

    chosen = _choose(path, describe_mat(path), preferred_keys, key)
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            stored: NDArray[Any] = file[chosen][()]
            return np.ascontiguousarray(stored.T)
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError, matfile_version

    try:
        if matfile_version(path, appendmat=False)[0] == 1 and check_numeric_matrix(path, chosen):
            raise SourceUnsupportedError(f"array '{chosen}' of {path} is complex, expected real numbers")
        loaded = loadmat(path, appendmat=False, variable_names=[chosen])
    except MatReadError as error:
        raise ValueError(str(error)) from error
    return np.asarray(loaded[chosen])


def describe_mat(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape as MATLAB shows it and class of every variable, by name, without reading the arrays; faults pass."""
    import h5py

    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            return _described_v73(file)
    from scipy.io import whosmat
    from scipy.io.matlab import MatReadError

    try:
        return {name: (tuple(shape), kind) for name, shape, kind in whosmat(path, appendmat=False)}
    except MatReadError as error:
        raise ValueError(str(error)) from error


def _described_v73(file: Any) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape as MATLAB shows it and class of every variable."""
    import h5py

    described: dict[str, tuple[tuple[int, ...], str]] = {}
    for name, item in file.items():
        if name.startswith("#"):
            continue
        kind = item.attrs.get("MATLAB_class", b"")
        kind = kind.decode() if isinstance(kind, bytes) else str(kind)
        if not isinstance(item, h5py.Dataset) or "MATLAB_empty" in item.attrs:
            described[name] = ((), kind or "struct")
        elif item.dtype.kind not in "iufb":
            described[name] = (item.shape[::-1], "complex" if item.dtype.names else str(item.dtype))
        else:
            described[name] = (item.shape[::-1], kind or "double")
    return described


def _choose(
    path: Path,
    described: Mapping[str, tuple[tuple[int, ...], str]],
    preferred_keys: Sequence[str],
    key: str | None,
) -> str:
    found = ", ".join(f"{name} {kind} {shape}" for name, (shape, kind) in described.items()) or "nothing"
    if key is not None:
        if key not in described:
            raise SourceUnsupportedError(f"{path} has no array '{key}', it holds {found}; choose one of these")
        named = [key]
    else:
        named = [name for name in preferred_keys if name in described][:1]
    if not named:
        named = [
            name
            for name, (shape, kind) in described.items()
            if kind in _NUMERIC_CLASSES and len(shape) in (2, 3) and min(shape[-2:]) > 1
        ]
    if len(named) != 1:
        wanted = f"one named {', '.join(preferred_keys)} or " if preferred_keys else ""
        raise SourceUnsupportedError(
            f"{path} holds {found}; expected {wanted}exactly one numeric array of two or three dimensions; "
            "name the one to use by its key"
        )
    if described[named[0]][1] not in _NUMERIC_CLASSES:
        shape, kind = described[named[0]]
        raise SourceUnsupportedError(f"array '{named[0]}' of {path} is {kind} {shape}, expected real numbers")
    return named[0]
