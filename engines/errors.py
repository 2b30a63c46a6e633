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


class RuntimeUnavailableError(EngineUnavailableError):
    """A runtime cannot be used on this machine: not installed, or not for this processor or GPU."""


class DriverError(RuntimeUnavailableError):
    """There is no NVIDIA driver, it is too old for the runtime, or it does not answer."""


class DeviceMemoryError(EngineError):
    """The memory of the machine or of the GPU does not hold the network: choose a smaller region or another engine."""


class NetworkFileError(EngineError):
    """An exported network cannot be read, or is not for this bench or this livecassi: export it again."""


class PreparationError(EngineError):
    """A network could not be prepared for a runtime: the message says what stood in the way."""


class PreparationCancelledError(PreparationError):
    """Nobody wanted a preparation any more; nothing of it is left."""
