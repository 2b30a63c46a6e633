"""Refine: the white reference, the fit of everything, what it leaves over, and what it is worth to a picture."""

from collections.abc import Sequence
from threading import Event

from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from livecassi.app.calibrating.compare import Comparison, compare, straight_guess
from livecassi.app.windows.wizard.before_after import BeforeAfter
from livecassi.app.windows.wizard.capture_page import SIDE_PX, CapturePage
from livecassi.app.windows.wizard.capturing import Capturing
from livecassi.app.windows.wizard.desk import Desk, Trouble
from livecassi.app.windows.wizard.fit_bar import FitBar
from livecassi.app.windows.wizard.fitting import Fitting
from livecassi.app.windows.wizard.latest import Latest
from livecassi.app.windows.wizard.residual_map import ResidualMap
from livecassi.calibration.capture import CaptureKind
from livecassi.calibration.checks import Check
from livecassi.drivers import Frame, SourceSettings

LOWEST_TABLE_PX = 64


class RefinePage(CapturePage):
    """Fits in the background; compares a frame that is taken now before and after."""

    most_lights = 6

    def __init__(self, desk: Desk, capturing: Capturing, fitting: Fitting) -> None:
        self.fitting = fitting
        self.fit_bar, self.map, self.pictures = FitBar(fitting), ResidualMap(), BeforeAfter()
        self.views = QStackedWidget()
        self.compare = QPushButton("Take a frame and compare")
        self.compare.setToolTip(
            "A frame of the scene is reconstructed with gap-tv, with the calibration before and with the new one"
        )
        self.look = QPushButton()
        self._comparing: Latest[Comparison] = Latest("comparing", desk)
        super().__init__(desk, capturing, "Refine", "Refine: fit everything", CaptureKind.WHITE)
        self.compare.clicked.connect(self.take_and_compare)
        self.look.clicked.connect(self._look_at_the_other)

    def lay_out(self) -> None:
        """Live picture, later the two reconstructions, on the left."""
        self.views.addWidget(self.live)
        self.views.addWidget(self.pictures)
        left = self.side()
        left.addWidget(self.views, 1)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.compare, 1)
        row.addWidget(self.look)
        left.addLayout(row)
        self.fill_side(self.side(*SIDE_PX))

    def fill_side(self, column: QVBoxLayout) -> None:
        """White reference, fit, lights, map."""
        self.table.table.setMinimumHeight(LOWEST_TABLE_PX)
        self.table.setMaximumHeight(110)
        column.addWidget(self.bar)
        column.addWidget(self.table)
        column.addWidget(self.fit_bar)
        column.addWidget(self.lights)
        column.addStretch(1)
        column.addWidget(self.map, 4)

    # ---- before and after ----------------------------------------------------------------------------------------

    def take_and_compare(self) -> None:
        """Take a frame as the bench looks at its scene, and reconstruct it twice."""
        fitted, desk = self.fitting.fitted, self.desk
        if fitted is None:
            return
        exposure_us, gain_db = desk.plan.exposure_us, desk.plan.gain_db

        def take() -> Frame:
            desk.rig.source.configure(SourceSettings(exposure_us=exposure_us, gain_db=gain_db))
            desk.bench.show_scene()
            return desk.feed.probe()

        self.capturing.beside(take, self._compare)

    def _look_at_the_other(self) -> None:
        live = self.views.currentWidget() is self.live
        self.views.setCurrentWidget(self.pictures if live else self.live)
        self.show_desk()

    def _compare(self, frame: Frame) -> None:
        fitted = self.fitting.fitted
        if fitted is None:
            return
        after = fitted.calibration
        before = self.desk.parent_calibration or straight_guess(after)

        def act(_: Event) -> Comparison:
            return compare(frame, before, after)

        def done(comparison: Comparison | None, error: Exception | None) -> None:
            if comparison is not None:
                self.pictures.show_comparison(comparison)
                self.views.setCurrentWidget(self.pictures)
            if error is not None:
                self.desk.tell(Trouble(f"The frame cannot be compared: {error}"))
            self.show_desk()

        self._comparing.ask(act, done)
        self.show_desk()

    # ---- what the page says --------------------------------------------------------------------------------------

    def enter(self) -> None:
        """Fit as soon as nothing is missing."""
        super().enter()
        if self.missing:
            self.views.setCurrentWidget(self.live)
        self.fitting.follow()

    @property
    def first(self) -> QWidget:
        """Where the keyboard begins."""
        return self.bar.capture if self.missing else self.fit_bar.fit

    def checks(self) -> Sequence[Check]:
        """Of the white reference, and of the fit."""
        return [*super().checks(), *self.fitting.checks]

    def main_checks(self) -> Sequence[Check]:
        """What is left over, in px."""
        return [check for check in self.fitting.checks if check.unit.startswith("px") and not check.higher_is_better]

    def lacks(self) -> str:
        """The white reference, then a fit."""
        if missing := super().lacks():
            return missing
        if not self.desk.begun or self.fitting.current:
            return ""
        return str(self.fitting.error) if self.fitting.error is not None else "not fitted yet"

    def working(self) -> bool:
        """While the fit runs."""
        return super().working() or self.fitting.busy

    def tick(self) -> None:
        """Also the progress of the fit."""
        super().tick()
        self.fit_bar.tick()

    def refresh(self) -> None:
        """Also fit, map and the button for the comparison."""
        super().refresh()
        self.bar.setVisible(bool(self.missing) or self.capturing.step is not None)
        self.fit_bar.show_state(self.desk.begun)
        fitted = self.fitting.fitted
        self.map.show_residuals(fitted.calibration.residuals_px if fitted is not None else None)
        comparing = self._comparing.busy
        self.compare.setEnabled(fitted is not None and not comparing and not self.capturing.busy)
        self.compare.setText("Reconstructing…" if comparing else "Take a frame and compare")
        self.look.setVisible(self.pictures.comparison is not None)
        live = self.views.currentWidget() is self.live
        self.look.setText("Before and after" if live else "Live picture")
        if not self.missing and self.capturing.step is None:
            self.instruction.setText(
                "The fit takes all captures together. Look at the figures and the map, then at the scene: put it under "
                "its lamp, take a frame, and move the slider between before and after."
            )
