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
