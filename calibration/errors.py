"""What a calibration refuses."""

from livecassi.drivers.errors import LivecassiError


class CalibrationError(LivecassiError):
    """A calibration cannot be used."""


class CalibrationInvalidError(CalibrationError):
    """The calibration itself is broken or contradicts itself: make or import it again."""


class CalibrationMismatchError(CalibrationError):
    """A frame and a calibration do not belong together: choose the other one."""
