"""Whether a camera belongs to a calibration: what differs is refused in words, what nobody knows passes."""

from dataclasses import replace

import pytest
from fakes import small_calibration

from livecassi.calibration import Calibration, CalibrationMismatchError
from livecassi.calibration.belongs import check_camera
from livecassi.drivers import SourceInfo

BOUND = {"camera_serial": "A1", "roi": (8, 16, 24, 28), "flip_columns": True}
CAMERA = SourceInfo(
    "harvester", "a camera", "A1", (24, 28), 12, roi=(8, 16, 24, 28), flip_rows=False, flip_columns=True
)


def calibration(**header: object) -> Calibration:
    plain = small_calibration()
    return replace(plain, header=plain.header.model_copy(update=header))


def test_the_camera_that_was_calibrated_passes() -> None:
    check_camera(calibration(**BOUND), CAMERA)


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        ({"serial": "B2"}, "the camera has serial number B2, calibrated was A1"),
        ({"roi": (0, 16, 24, 28)}, r"from row 0 \(OffsetY\), column 16 .*calibrated was 24 x 28 .* from row 8"),
        ({"flip_columns": False}, r"columns \(ReverseX\) are not flipped, calibrated was flipped"),
        ({"flip_rows": True}, r"rows \(ReverseY\) are flipped, calibrated was not flipped"),
        ({"serial": "B2", "flip_rows": True}, "serial number B2.*; its rows"),
    ],
)
def test_another_camera_region_or_flip_is_refused(camera: dict[str, object], message: str) -> None:
    with pytest.raises(CalibrationMismatchError, match=message) as refused:
        check_camera(calibration(**BOUND), replace(CAMERA, **camera))
    assert "'small' does not belong to this camera" in str(refused.value)
    assert "calibrate again" in str(refused.value)


def test_what_one_of_them_does_not_tell_passes() -> None:
    silent = replace(CAMERA, serial="", roi=None, flip_rows=None, flip_columns=None)
    check_camera(calibration(**BOUND), silent)
    check_camera(calibration(), CAMERA)  # an imported mask is bound to no camera, nor to its flips
    check_camera(calibration(), replace(CAMERA, flip_rows=True))
