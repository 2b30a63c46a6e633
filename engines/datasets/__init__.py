"""The published data sets of the field, read as they are distributed."""

from livecassi.engines.datasets.dataset import (
    DatasetKind,
    MeasurementSet,
    RealMeasurement,
    SceneFrame,
    SceneSequence,
    SceneSet,
)
from livecassi.engines.datasets.opening import open_dataset, open_scenes
from livecassi.engines.datasets.resample import resample_bands
from livecassi.engines.errors import DatasetError

__all__ = [
    "DatasetError",
    "DatasetKind",
    "MeasurementSet",
    "RealMeasurement",
    "SceneFrame",
    "SceneSequence",
    "SceneSet",
    "open_dataset",
    "open_scenes",
    "resample_bands",
]
