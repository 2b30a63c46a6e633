"""Correction: a raw frame becomes a measurement."""

from dataclasses import dataclass

import numpy as np

from livecassi.calibration.calibration import Array32, Calibration, CalibrationHeader
from livecassi.calibration.errors import CalibrationMismatchError
from livecassi.calibration.measurement import Measurement, MeasurementFlag
from livecassi.calibration.pedestal import estimate_pedestal, remove_pedestal
from livecassi.drivers.frame import Frame

EXPOSURE_TOLERANCE = 0.02  # relative; beyond it the dark current of the stored dark no longer fits
GAIN_TOLERANCE_DB = 0.05
TEMPERATURE_TOLERANCE_C = 3.0


def check_frame_shape(calibration: Calibration, shape: tuple[int, int]) -> None:
    """Raises `CalibrationMismatchError` where frames of `shape` (H, W') do not belong to the calibration."""
    expected = calibration.measurement_shape
    if shape != expected:
        raise CalibrationMismatchError(
            f"the frame has {shape[0]} x {shape[1]} pixels (rows x columns), the calibration "
            f"'{calibration.header.name or calibration.id[:8]}' ({calibration.system}) is made for "
            f"{expected[0]} x {expected[1]}; choose the calibration of this camera and region, "
            "or set the camera's region to the calibrated one"
        )


@dataclass(frozen=True, slots=True)
class Inspection:
    """What can be told of a frame without correcting it, see `Measurement`."""

    flags: MeasurementFlag
    saturated_fraction: float | None


class Corrector:
    """Subtracts dark, divides by flat and scales to full scale; arrays are prepared once per calibration.

    `pedestal` is a constant of full scale that is subtracted too. None: where the calibration holds no dark, it is
    estimated from the first frame and kept for all that follow.
    """

    def __init__(self, calibration: Calibration, pedestal: float | None = 0.0) -> None:
        self.calibration = calibration
        self.pedestal = 0.0 if pedestal is None and calibration.dark is not None else pedestal
        self._gain: Array32 | None = None if calibration.flat is None else 1.0 / calibration.flat

    def correct(self, frame: Frame) -> Measurement:
        """The measurement `(H, W')`, float32 of full scale. Floating-point frames pass unchanged.

        Raises `CalibrationMismatchError` for a frame of another size, bit depth or with NaN.
        """
        return self.measurement(frame, self.inspect(frame))

    def inspect(self, frame: Frame) -> Inspection:
        """What `correct` tells of a frame besides its values, for those who correct frames elsewhere.

        Afterwards `pedestal` is known. Raises as `correct`.
        """
        check_frame_shape(self.calibration, frame.shape)
        if frame.bit_depth:
            flags = self._flags(frame)
        elif np.isfinite(frame.pixels).all():
            flags = MeasurementFlag.NONE
        else:
            raise CalibrationMismatchError(
                f"measurement {frame.index} holds NaN or infinite values, expected finite numbers; "
                "repair or leave out this frame"
            )
        saturated = frame.saturated_fraction()
        if saturated:
            flags |= MeasurementFlag.SATURATED
        if self.pedestal is None:
            self.pedestal = estimate_pedestal(self._values(frame), self.calibration).value
        if self.pedestal:
            flags |= MeasurementFlag.PEDESTAL_REMOVED
        return Inspection(flags, saturated)

    def measurement(self, frame: Frame, inspected: Inspection) -> Measurement:
        """What `correct` gives, for a frame that was inspected."""
        measurement = Measurement(
            self._values(frame),
            self.calibration.id,
            frame.index,
            frame.host_time_ns,
            flags=inspected.flags,
            saturated_fraction=inspected.saturated_fraction,
        )
        return remove_pedestal(measurement, self.pedestal or 0.0)

    def _values(self, frame: Frame) -> Array32:
        """Without the pedestal."""
        if not frame.bit_depth:
            return np.asarray(frame.pixels, np.float32)
        values = frame.pixels.astype(np.float32)
        if self.calibration.dark is not None:
            values -= self.calibration.dark
        values *= np.float32(1.0 / frame.full_scale)
        if self._gain is not None:
            values *= self._gain
        return values

    def _flags(self, frame: Frame) -> MeasurementFlag:
        header = self.calibration.header
        if self.calibration.dark is None:
            return MeasurementFlag.NO_DARK
        if header.bit_depth != frame.bit_depth:
            raise CalibrationMismatchError(
                f"the frame has {frame.bit_depth} bits, the calibration's dark {header.bit_depth}; "
                "set the camera to the calibrated pixel format or calibrate again"
            )
        return dark_mismatch(frame, header)


def dark_mismatch(frame: Frame, header: CalibrationHeader) -> MeasurementFlag:
    """Which settings of a frame differ from those of the calibration's dark; what is not known does not differ."""
    flags = MeasurementFlag.NONE
    if (
        header.exposure_us is not None
        and abs(frame.exposure_us - header.exposure_us) > EXPOSURE_TOLERANCE * header.exposure_us
    ):
        flags |= MeasurementFlag.EXPOSURE_MISMATCH
    if header.gain_db is not None and abs(frame.gain_db - header.gain_db) > GAIN_TOLERANCE_DB:
        flags |= MeasurementFlag.GAIN_MISMATCH
    if (
        header.temperature_c is not None
        and frame.temperature_c is not None
        and abs(frame.temperature_c - header.temperature_c) > TEMPERATURE_TOLERANCE_C
    ):
        flags |= MeasurementFlag.TEMPERATURE_MISMATCH
    return flags
