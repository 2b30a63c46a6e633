"""What a data set gives: named scenes, frame by frame, or named measurements with their mask."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import DatasetError

Array32 = NDArray[np.float32]


class DatasetKind(StrEnum):
    """The published data sets whose files livecassi knows."""

    DYNASPEC_RAW = "dynaspec-raw"
    DYNASPEC_320 = "dynaspec-320"
    CAVE_50030 = "cave-512-50030"
    KAIST_50030 = "kaist-truth-50030"
    CAVE = "cave"
    CAVE_1024_28 = "cave-1024-28"
    CAVE_512_28 = "cave-512-28"
    KAIST_CVPR2021 = "kaist-cvpr2021"
    KAIST_TRUTH = "kaist-truth"
    TSA_REAL = "tsa-real"


@dataclass(frozen=True, slots=True)
class SceneFrame:
    """One moment of a scene: `values (C, H, W)` of full scale 1; `wavelengths_nm (C,)`, None where unpublished."""

    values: Array32
    wavelengths_nm: Array32 | None


@dataclass(frozen=True, slots=True)
class SceneSequence:
    """A scene by name. Its frames are read from disk each time that they are asked for: `DatasetError` comes then.

    In turn they must be of one shape.
    """

    name: str
    paths: tuple[Path, ...]
    read: Callable[[Path], SceneFrame]

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[SceneFrame]:
        shape: tuple[int, ...] | None = None
        for path in self.paths:
            frame = self.read(path)
            if shape is not None and frame.values.shape != shape:
                raise DatasetError(
                    f"{path} holds a cube of shape {frame.values.shape}, the frames before it have {shape}; expected "
                    "one shape in a sequence: take the file out of the folder"
                )
            shape = frame.values.shape
            yield frame

    def frame(self, position: int) -> SceneFrame:
        """The frame at this place of the sequence."""
        return self.read(self.paths[position])


@dataclass(frozen=True, slots=True)
class SceneSet:
    """A folder of scenes, in the order of their names."""

    kind: DatasetKind
    folder: Path
    sequences: tuple[SceneSequence, ...]


@dataclass(frozen=True, slots=True)
class RealMeasurement:
    """A measurement by name, read when it is asked for."""

    name: str
    path: Path
    read_values: Callable[[Path], Array32]

    def read(self) -> Array32:
        """The values `(H, W')`, 0..1."""
        return self.read_values(self.path)


@dataclass(frozen=True, slots=True)
class MeasurementSet:
    """A folder of measurements of one instrument, without truth: single disperser, 2 columns per band.

    `mask_path` is the picture of its coded aperture, None where no file lies where the data set has it.
    """

    kind: DatasetKind
    folder: Path
    measurements: tuple[RealMeasurement, ...]
    mask_path: Path | None
    wavelengths_nm: Array32
