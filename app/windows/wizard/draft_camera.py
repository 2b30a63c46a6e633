"""Whether the camera that is open now is the one whose captures a draft holds. No Qt."""

from livecassi.app.calibrating.draft import Draft
from livecassi.calibration import CalibrationMismatchError
from livecassi.drivers import SourceInfo


def check_draft(draft: Draft, info: SourceInfo) -> None:
    """Raises `CalibrationMismatchError` where captures have another size or come from another camera.

    A draft without captures belongs to every camera, and so does a capture whose camera told no serial number.
    """
    for capture in draft.captures:
        differences = []
        if capture.shape != info.frame_shape:
            differences.append(
                f"it has frames of {_pixels(capture.shape)}, this camera gives {_pixels(info.frame_shape)}"
            )
        if capture.camera_serial and info.serial and capture.camera_serial != info.serial:
            differences.append(f"it is of camera {capture.camera_serial}, open is {info.serial}")
        if differences:
            raise CalibrationMismatchError(
                f"the draft '{draft.plan.name or draft.folder.name}' belongs to another camera: "
                f"{'; '.join(differences)}. Open its own camera, set as it was then, or begin a new calibration; "
                "the draft stays on disk"
            )


def _pixels(shape: tuple[int, int]) -> str:
    return f"{shape[0]} × {shape[1]} pixels"
