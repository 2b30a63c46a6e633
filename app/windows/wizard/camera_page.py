"""Camera: exposure and gain, live saturation and histogram, and whether the bench has warmed up."""

import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFormLayout, QPushButton, QWidget

from livecassi.app.calibrating.steps import CaptureStep
from livecassi.app.windows.theme import dim_label, number_box, section_label
from livecassi.app.windows.wizard.capturing import Capturing
from livecassi.app.windows.wizard.desk import Desk, Trouble
from livecassi.app.windows.wizard.drift_plot import DriftPlot, Warmth
from livecassi.app.windows.wizard.lights import LightList
from livecassi.app.windows.wizard.live_panel import LivePanel, brightness
from livecassi.app.windows.wizard.page import StepPage
from livecassi.calibration.capture import CaptureKind
from livecassi.calibration.checks import Check
from livecassi.drivers import Frame, LivecassiError, SourceSettings

SATURATED_PERCENT, SATURATED_FAIL_PERCENT = 0.01, 0.1
BRIGHT_PERCENT, BRIGHT_FAIL_PERCENT = 40.0, 10.0
SIDE_PX = (340, 400)
INTERVAL_S = 0.25


class CameraPage(StepPage):
    """Sets the camera once for all: the exposure of the scene is that of every capture which names no other."""

    def __init__(self, desk: Desk, capturing: Capturing, clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(desk, "Camera", "Set the camera")
        self.capturing, self._clock_s = capturing, clock_s
        self.instruction.setText(
            "Put mask and disperser in, and the white reference under the lamp of the scene. Choose an exposure at "
            "which its brightest pixels read 60 to 80 % of full scale. Leave the camera on until the drift has settled."
        )
        self.live = LivePanel(histogram=True)
        self.exposure, self.gain = number_box(" ms", 3), number_box(" dB", 1)
        self.choose = QPushButton("Choose the exposure")
        self.choose.setToolTip("Let the program set the exposure on the white reference, from a few frames")
        self.applied = dim_label()
        self.applied.setWordWrap(True)
        self.lights, self.plot = LightList(), DriftPlot()
        self._checks: tuple[Check, ...] = ()
        self._warmth = Warmth()
        self._looked_s = 0.0
        self._lay_out()
        self.exposure.valueChanged.connect(lambda ms: self._configure(SourceSettings(exposure_us=ms * 1000)))
        self.gain.valueChanged.connect(lambda db: self._configure(SourceSettings(gain_db=db)))
        self.choose.clicked.connect(self.choose_exposure)

    def _lay_out(self) -> None:
        left, right = self.side(), self.side(*SIDE_PX)
        left.addWidget(self.live, 1)
        right.addWidget(section_label("Camera"))
        holder = QWidget()
        form = QFormLayout(holder)
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(8)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        form.addRow("Exposure", self.exposure)
        form.addRow("Gain", self.gain)
        form.addRow("", self.choose)
        form.addRow("", self.applied)
        right.addWidget(holder)
        right.addWidget(section_label("Judged"))
        right.addWidget(self.lights)
        right.addWidget(section_label("Warm-up: level of the picture"))
        right.addWidget(self.plot, 1)

    # ---- settings ------------------------------------------------------------------------------------------------

    @property
    def first(self) -> QWidget:
        """Where the keyboard begins."""
        return self.choose

    def enter(self) -> None:
        """Show the camera's settings; a bench that obeys by itself shows the white reference."""
        info = self.desk.rig.source.info
        for box, limits, scale in ((self.exposure, info.exposure_range_us, 1e-3), (self.gain, info.gain_range_db, 1.0)):
            box.setEnabled(limits is not None)
            if limits is not None:
                box.blockSignals(True)
                box.setRange(limits[0] * scale, limits[1] * scale)
                box.blockSignals(False)
        self.choose.setEnabled(info.exposure_range_us is not None)
        plan = self.desk.plan
        step = CaptureStep(CaptureKind.WHITE, 1, exposure_us=plan.exposure_us, gain_db=plan.gain_db)
        self.capturing.prepare(step)
        self._configure(SourceSettings(exposure_us=plan.exposure_us, gain_db=plan.gain_db))

    def choose_exposure(self) -> None:
        """Let the rig find the exposure on the white reference."""
        self.capturing.beside(self.desk.rig.choose_exposure, lambda _exposure_us: self._configure(SourceSettings()))

    def _configure(self, settings: SourceSettings) -> None:
        try:
            applied = self.desk.rig.source.configure(settings)
        except LivecassiError as error:
            self.applied.setText(str(error))
            return
        self._warmth.forget()
        words = []
        for box, value, wanted, scale in (
            (self.exposure, applied.exposure_us, settings.exposure_us, 1e-3),
            (self.gain, applied.gain_db, settings.gain_db, 1.0),
        ):
            if value is None:
                continue
            box.blockSignals(True)
            box.setValue(value * scale)
            box.blockSignals(False)
            if wanted is not None and abs(wanted - value) > 1e-3 * abs(wanted) + 1e-9:
                words.append(f"{wanted * scale:g}{box.suffix()} was asked, {value * scale:g}{box.suffix()} is set")
        self.applied.setText("; ".join(words))
        self.applied.setVisible(bool(words))

    def validatePage(self) -> bool:  # noqa: N802
        """The plan takes over what the camera applied; captures at other settings will say so themselves."""
        try:
            applied = self.desk.rig.source.configure(SourceSettings())
        except LivecassiError as error:
            self.desk.tell(Trouble(str(error)))
            return False
        self.desk.set_plan(exposure_us=applied.exposure_us, gain_db=applied.gain_db)
        return True

    # ---- figures -------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """The newest frame; four times a second its figures."""
        self.live.follow(self.desk.feed)
        now = self._clock_s()
        frame = self.live.frame
        if frame is None or now - self._looked_s < INTERVAL_S:
            return
        self._looked_s = now
        if not self.capturing.busy:
            self._warmth.add(now, frame)
        self._checks = _judge(frame, self._warmth)
        self.plot.show_warmth(self._warmth)
        self.show_desk()

    def checks(self) -> Sequence[Check]:
        """Brightness, saturation and drift of the live picture."""
        return self._checks

    def lacks(self) -> str:
        """A first frame."""
        return "" if self._checks else "no frame has come yet"

    def refresh(self) -> None:
        """The lights."""
        self.lights.show_checks(self._checks, "Waiting for the first frame…")


def _judge(frame: Frame, warmth: Warmth) -> tuple[Check, ...]:
    return (
        Check(
            name="saturated pixels",
            value=100 * (frame.saturated_fraction() or 0.0),
            unit="%",
            limit=SATURATED_PERCENT,
            fail_limit=SATURATED_FAIL_PERCENT,
            advice="shorten the exposure or lower the gain",
        ),
        Check(
            name="brightest pixels",
            value=100 * brightness(frame),
            unit="%",
            limit=BRIGHT_PERCENT,
            fail_limit=BRIGHT_FAIL_PERCENT,
            higher_is_better=True,
            advice="lengthen the exposure or bring more light",
        ),
        *warmth.checks(),
    )
