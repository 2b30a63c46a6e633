"""Whether a camera is the one that was calibrated: its serial number, its region of the sensor, and its flips."""

from livecassi.calibration.calibration import Calibration
from livecassi.calibration.errors import CalibrationMismatchError
from livecassi.drivers.source import SourceInfo

Region = tuple[int, int, int, int]


def check_camera(calibration: Calibration, info: SourceInfo) -> None:
    """Raises `CalibrationMismatchError` where the camera of a source is not as it was when it was calibrated.

    What either of them does not tell passes: an empty serial number, no region, a source without flips, and flips of
    a calibration that names neither camera nor region, such as an imported mask.
    """
    differences = [*_serial(calibration, info), *_region(calibration, info), *_flips(calibration, info)]
    if differences:
        header = calibration.header
        raise CalibrationMismatchError(
            f"the calibration '{header.name or calibration.id[:8]}' does not belong to this camera as it is set: "
            f"{'; '.join(differences)}; set the camera back, choose its own calibration, or calibrate again"
        )


def _serial(calibration: Calibration, info: SourceInfo) -> list[str]:
    expected = calibration.header.camera_serial
    if not expected or not info.serial or expected == info.serial:
        return []
    return [f"the camera has serial number {info.serial}, calibrated was {expected}"]


def _region(calibration: Calibration, info: SourceInfo) -> list[str]:
    expected = calibration.header.roi
    if expected is None or info.roi is None or expected == info.roi:
        return []
    return [f"its region is {_region_words(info.roi)}, calibrated was {_region_words(expected)}"]


def _flips(calibration: Calibration, info: SourceInfo) -> list[str]:
    header = calibration.header
    if not header.camera_serial and header.roi is None:
        return []
    told = (
        ("rows (ReverseY)", info.flip_rows, header.flip_rows),
        ("columns (ReverseX)", info.flip_columns, header.flip_columns),
    )
    return [
        f"its {what} are {_order(found)}, calibrated was {_order(expected)}"
        for what, found, expected in told
        if found is not None and found != expected
    ]


def _region_words(region: Region) -> str:
    row, column, height, width = region
    return f"{height} x {width} pixels (rows x columns) from row {row} (OffsetY), column {column} (OffsetX)"


def _order(flipped: bool) -> str:
    return "flipped" if flipped else "not flipped"
