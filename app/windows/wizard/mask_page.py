"""Mask: one picture of the coded aperture without dispersion; how it lies against its drawing, where there is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

import numpy as np
from numpy.typing import NDArray
from PySide6.QtWidgets import QCheckBox, QVBoxLayout

from livecassi.app.calibrating.plan import CalibrationPlan
from livecassi.app.levels import Levels, robust_levels
from livecassi.app.pictures import Picture
from livecassi.app.windows.wizard.capture_page import CapturePage
from livecassi.app.windows.wizard.capturing import Capturing
from livecassi.app.windows.wizard.desk import Desk
from livecassi.app.windows.wizard.latest import Latest
from livecassi.app.windows.wizard.titles import title_of
from livecassi.calibration.calibration import Array32
from livecassi.calibration.capture import Capture, CaptureKind
from livecassi.calibration.checks import Check
from livecassi.calibration.fitting.registration import Registration, register
from livecassi.drivers.opencv import cv2

RMS_PX, RMS_FAIL_PX = 0.1, 0.25
CORRELATION, CORRELATION_FAIL = 0.9, 0.7


@dataclass(frozen=True, slots=True)
class Alignment:
    """The picture of the mask in red over its drawing in cyan: where both agree it is white or black."""

    capture_id: str
    registration: Registration
    picture: NDArray[np.uint8]


class MaskPage(CapturePage):
    """The mask capture, which may be left out where the disperser cannot be removed."""

    def __init__(self, desk: Desk, capturing: Capturing) -> None:
        self.leave_out = QCheckBox("The disperser stays in: leave this capture out")
        self.leave_out.setToolTip(
            "For benches whose disperser cannot be removed: the mask is then recovered from the lines alone"
        )
        self.overlay = QCheckBox("Show how it lies on its drawing: capture red, drawing cyan")
        super().__init__(desk, capturing, "Mask", "Mask: its picture without dispersion", CaptureKind.MASK)
        self._aligning: Latest[Alignment] = Latest("aligning", self)
        self._alignment: Alignment | None = None
        self._asked = ""
        self._problem = ""
        self._frames = CalibrationPlan.model_fields["mask"].default.frames
        self.leave_out.toggled.connect(self._on_leave_out)
        self.overlay.toggled.connect(self._show_overlay)

    def fill_side(self, column: QVBoxLayout) -> None:
        """Two choices beside the usual."""
        column.addWidget(self.bar)
        column.addWidget(self.leave_out)
        column.addWidget(self.lights)
        column.addWidget(self.overlay)
        column.addWidget(self.table, 1)

    def enter(self) -> None:
        """Take over what the plan says about leaving it out."""
        if self.desk.plan.mask.frames:
            self._frames = self.desk.plan.mask.frames
        super().enter()

    def _on_leave_out(self, wanted: bool) -> None:
        if self.desk.begun and wanted != (self.desk.plan.mask.frames == 0):
            frames = 0 if wanted else self._frames
            self.desk.set_plan(mask=self.desk.plan.mask.model_copy(update={"frames": frames}))

    def left_out(self) -> bool:
        """The plan asks for no mask and there is none."""
        return self.desk.begun and self.desk.plan.mask.frames == 0 and not self.captures

    def lacks(self) -> str:
        """The capture, although a fit can do without."""
        return f"missing: {title_of(self.missing[0])}" if self.missing else ""

    def checks(self) -> Sequence[Check]:
        """Also the alignment with the drawing."""
        aligned = self._alignment
        current = aligned is not None and any(c.id == aligned.capture_id for c in self.captures)
        return [*super().checks(), *(_judge(aligned.registration) if aligned is not None and current else ())]

    def refresh(self) -> None:
        """Ask for the alignment of a new capture."""
        super().refresh()
        plan = self.desk.plan if self.desk.begun else None
        self.overlay.setVisible(plan is not None and plan.design is not None)
        self.leave_out.blockSignals(True)
        self.leave_out.setChecked(plan is not None and plan.mask.frames == 0)
        self.leave_out.setEnabled(not self.captures and not self.desk.locked)
        self.leave_out.blockSignals(False)
        if self._problem:
            self.instruction.setText(self._problem)
        captures = self.captures
        if plan is not None and plan.design is not None and captures and captures[-1].id != self._asked:
            self._align(captures[-1], plan)

    def _align(self, capture: Capture, plan: CalibrationPlan) -> None:
        self._asked, self._problem = capture.id, ""

        def act(_: Event) -> Alignment:
            design = plan.fit_settings().design
            assert design is not None
            found = register(capture.mean, design)
            return Alignment(capture.id, found, overlay_picture(capture.mean, design, found))

        def done(aligned: Alignment | None, error: Exception | None) -> None:
            self._alignment = aligned
            self._problem = f"The drawing was not found in the picture: {error}" if error is not None else ""
            if aligned is not None:
                self.overlay.setChecked(True)
            self._show_overlay()
            self.desk.changed.emit()

        self._aligning.ask(act, done)

    def tick(self) -> None:
        """The live picture, unless the overlay is shown."""
        if not (self.overlay.isChecked() and self._alignment is not None):
            super().tick()
        else:
            self.bar.tick()

    def _show_overlay(self) -> None:
        if self.overlay.isChecked() and self._alignment is not None:
            self.live.image.show_saturation(None)
            self.live.image.show_picture(Picture(self._alignment.picture, Levels(0, 255), False))


def overlay_picture(image: Array32, design: Array32, found: Registration) -> NDArray[np.uint8]:
    """`(H, W', 3)`: the image in red, the drawing brought onto it in green and blue."""
    height, width = image.shape
    drawn = cv2.warpAffine(np.asarray(design, np.float32), found.matrix[:2], (width, height))
    levels = robust_levels(image)
    shown = np.clip((image - levels.low) / (levels.high - levels.low), 0, 1)
    drawn = np.clip(np.asarray(drawn) / max(float(design.max()), 1e-9), 0, 1)
    return np.asarray(255 * np.stack([shown, drawn, drawn], axis=-1), np.uint8)


def _judge(found: Registration) -> tuple[Check, ...]:
    return (
        Check(
            name="deviation from the drawing, rms",
            value=found.rms_px,
            unit="px",
            limit=RMS_PX,
            fail_limit=RMS_FAIL_PX,
            advice="look at the overlay: is it the drawing of this mask, in camera pixels, not mirrored?",
        ),
        Check(
            name="correlation with the drawing",
            value=found.correlation,
            unit="",
            limit=CORRELATION,
            fail_limit=CORRELATION_FAIL,
            higher_is_better=True,
            advice="focus the mask; look whether it is the drawing of this mask",
        ),
    )
