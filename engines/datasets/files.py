"""Files and folders of a data set in their order, and the one translation of what can be wrong with them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livecassi.drivers import SourceError
from livecassi.drivers.array_files import check_is_file, read_array, unreadable
from livecassi.engines.errors import DatasetError

LEFT_BY_SYSTEMS = (".", "__MACOSX", "@eaDir")  # beside the data, by archives of macOS and by file servers

LOWEST = 0.5  # of the maximum: noise and resampling go below 0, but less far

Described = dict[str, tuple[tuple[int, ...], str]]


def natural_order(path: Path) -> tuple[str | int, ...]:
    """Sorts by name, numbers in it by their value: scene2 comes before scene10."""
    parts = re.split(r"(\d+)", path.name.lower())
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))


def files_in(folder: Path, suffix: str) -> list[Path]:
    """The visible files with this ending, in natural order. Raises `DatasetError`."""
    return [path for path in _listed(folder) if path.is_file() and path.suffix.lower() == suffix]


def folders_in(folder: Path) -> list[Path]:
    """The visible sub-folders, in natural order. Raises `DatasetError`."""
    return [path for path in _listed(folder) if path.is_dir()]


def _listed(folder: Path) -> list[Path]:
    try:
        visible = (path for path in folder.iterdir() if not path.name.startswith(LEFT_BY_SYSTEMS))
        return sorted(visible, key=natural_order)
    except OSError as error:
        raise DatasetError(f"the folder {folder} cannot be listed ({error.strerror}); choose another folder") from error


@contextmanager
def dataset_faults() -> Iterator[None]:
    """Turns a fault of a file into a `DatasetError`; its message names the file already."""
    try:
        yield
    except SourceError as error:
        raise DatasetError(str(error)) from error


def describe(path: Path) -> Described:
    """Shape and class of every variable of a .mat file. Raises `DatasetError`."""
    from livecassi.drivers.matlab_files import describe_mat

    with dataset_faults():
        check_is_file(path)
        with unreadable(path):
            return describe_mat(path)


def load(path: Path, key: str) -> NDArray[Any]:
    """One variable of a .mat file, axes as MATLAB shows them. Raises `DatasetError`."""
    with dataset_faults():
        return read_array(path, key=key)


def found_in(described: Described) -> str:
    """The variables of a file in words."""
    listed = (f"{name} ({' x '.join(map(str, shape)) or 'empty'}, {kind})" for name, (shape, kind) in described.items())
    return ", ".join(listed) or "nothing"


def largest_value(values: NDArray[Any], path: Path) -> float:
    """The maximum. Raises `DatasetError` where there is none, or a value is NaN, infinite or far below 0."""
    if values.size == 0:
        raise DatasetError(f"{path} holds an empty array of shape {values.shape}; copy it again, or leave it out")
    largest = float(values.max())
    smallest = float(values.min())
    if not np.isfinite([largest, smallest]).all():
        raise DatasetError(f"{path} holds NaN or infinite values; copy or convert it again, or leave it out")
    if smallest < -LOWEST * abs(largest):
        raise DatasetError(
            f"{path} holds values from {smallest:g} to {largest:g}, expected none far below 0; restore the original"
        )
    return largest
