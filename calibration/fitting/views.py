"""Every picture of the mask in one frame: where each shows it, and how well a mask predicts them all."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.capture import Line
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.curve import Curve
from livecassi.calibration.fitting.line_kernel import line_kernel
from livecassi.calibration.fitting.located import Located
from livecassi.calibration.fitting.mask import MaskView, predict
from livecassi.calibration.fitting.projection import Bend, Geometry
from livecassi.calibration.fitting.shifts import LineShift, measure_shift

MATCH_PX = 6  # so far about its prediction a picture is looked for at first
FARTHEST_PX = 40  # and so far where it is not there


@dataclass(frozen=True)
class Frame:
    """The mask's frame: light at `reference_nm` shows the mask's column j at camera column j, row i at row i.

    What all lines have in common - smile, tilt and place across the dispersion - belongs to the mask, as engines know
    only a shift along the columns; `mean_bend` and `across_px` tell it against the picture without disperser.
    """

    system: System
    curve: Curve
    reference_nm: float
    mean_bend: Bend
    across_px: float

    def line_geometry(self, line: Line) -> Geometry:
        """Where light of a line shows the mask."""
        kernel = line_kernel(self.curve, line)
        direction = self.system.mask_direction
        shift = float(self.curve.shift_px(line.wavelength_nm) - self.curve.shift_px(self.reference_nm))
        return Geometry(direction * shift, 0.0, kernel if direction > 0 else kernel.mirrored())

    def still_geometry(self) -> Geometry:
        """Where the picture without disperser shows the mask."""
        shift = -self.system.mask_direction * float(self.curve.shift_px(self.reference_nm))
        return Geometry(shift, -self.across_px, bend=Bend(*(-term for term in astuple(self.mean_bend))))


def mask_frame(located: Located, system: System, reference_nm: float) -> Frame:
    """The frame of a mask that is to stand where `reference_nm` shows it."""
    curve = located.curve_fit.curve
    if not located.against_mask:  # a line against a line shows what they have in common not at all
        return Frame(system, curve, reference_nm, Bend(), 0.0)
    terms = [(s.smile_px, s.tilt_px, s.keystone_px, s.across_tilt_px, s.across_keystone_px) for s in located.shifts]
    mean = Bend(*(float(term) for term in np.median(terms, axis=0)))
    return Frame(system, curve, reference_nm, mean, located.across_px)


def mask_views(
    frame: Frame, lines: Sequence[Line], pictures: Sequence[Array32], still: Array32 | None
) -> list[MaskView]:
    """All pictures of the mask: under every line, and without disperser where there is one."""
    geometries = [frame.line_geometry(line) for line in lines]
    views = [_view(picture, geometry) for picture, geometry in zip(pictures, geometries, strict=True)]
    return views if still is None else [*views, _view(still, frame.still_geometry())]


def _view(picture: Array32, geometry: Geometry) -> MaskView:
    return MaskView(picture, geometry.shift_px, geometry.dy, geometry.kernel, geometry.bend)


@dataclass(frozen=True)
class Reprojection:
    """A picture against what the calibration says that it should be; `predicted` and `shift` (measured less that)."""

    predicted: Array32
    shift: LineShift

    @property
    def off_px(self) -> float:
        """Distance of the two, along and across."""
        return float(np.hypot(self.shift.dx, self.shift.dy))


def reproject(mask: Array32, geometry: Geometry, picture: Array32, title: str) -> Reprojection:
    """Predict a picture `(H, W')` of the mask and measure how far it lies from the prediction.

    A picture that moved by up to 40 columns and 8 rows is found, too, so that the checks tell how far. Raises
    `CalibrationInvalidError` where it shows the mask nowhere.
    """
    height, width = picture.shape
    predicted = predict(mask, geometry, (height, width))
    for reach in (MATCH_PX, FARTHEST_PX):
        try:
            return Reprojection(predicted, measure_shift(picture, predicted, expected=(0.0, 0.0), search_px=reach))
        except CalibrationInvalidError as error:
            told = error
    raise CalibrationInvalidError(
        f"{title} does not show the mask within {FARTHEST_PX} px of where the calibration puts it ({told})"
    ) from told
