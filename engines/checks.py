"""What every engine refuses."""

import numpy as np

from livecassi.calibration import Calibration, Measurement
from livecassi.engines.errors import EngineMismatchError


def check_measurement(measurement: Measurement, calibration: Calibration) -> None:
    """Raises `EngineMismatchError` for a measurement of another calibration or size than the engine's, or with NaN."""
    name = calibration.header.name or calibration.id[:8]
    if measurement.calibration_id != calibration.id:
        raise EngineMismatchError(
            f"the measurement was corrected with calibration {measurement.calibration_id[:8]}, this engine was "
            f"built for '{name}' ({calibration.id[:8]}); build the engine again for the calibration in use"
        )
    if measurement.values.shape != calibration.measurement_shape:
        raise EngineMismatchError(
            f"the measurement has shape {measurement.values.shape}, calibration '{name}' ({calibration.system}) "
            f"expects {calibration.measurement_shape}; choose the calibration of this camera and region"
        )
    if not np.isfinite(measurement.values).all():
        bad = int((~np.isfinite(measurement.values)).sum())
        raise EngineMismatchError(
            f"measurement {measurement.frame_index} holds {bad} values that are NaN or infinite, expected finite "
            "numbers; repair or leave out this frame"
        )
