"""What an engine refuses."""

from livecassi.drivers.errors import LivecassiError


class EngineError(LivecassiError):
    """An engine cannot reconstruct."""


class EngineUnavailableError(EngineError):
    """No such engine, or something it needs is missing: choose another or install what the message names."""


class EngineMismatchError(EngineError):
    """The engine was not made for this calibration or measurement: choose another engine or calibration."""


class MetricsError(EngineError):
    """Cube and truth cannot be compared: bring them to the same shape, or choose another truth."""


class WeightsError(EngineError):
    """A file of weights cannot be read, or does not hold what the network needs: bring the right file."""


class DatasetError(EngineError):
    """A folder of scenes or measurements is not what a data set looks like: choose another or repair it."""


class TrainingError(EngineError):
    """A training cannot begin or go on: correct the recipe, the data or the machine as the message says."""
