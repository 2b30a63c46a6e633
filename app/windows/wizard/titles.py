"""What captures are called before an operator."""

from livecassi.app.calibrating.steps import CaptureStep
from livecassi.calibration.capture import Capture, CaptureKind


def title_of(capture: Capture | CaptureStep) -> str:
    """Its title; the white reference is not to be taken for the flats of the page "White"."""
    return "white reference" if capture.kind is CaptureKind.WHITE else capture.title
