"""Transport and camera settings: play and pause, exposure, gain."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from livecassi.app.session import SessionState
from livecassi.app.windows.theme import as_panel, dim_label, number_box, section_label
from livecassi.drivers import SourceInfo, SourceSettings

STATE_TEXT = {
    SessionState.IDLE: "stopped",
    SessionState.RUNNING: "live",
    SessionState.PAUSED: "paused",
    SessionState.ENDED: "the file has ended",
    SessionState.FAILED: "no frames: the source failed",
}


class SourcePanel(QWidget):
    """What the source is and what can be set on it. A setting is sent after Enter or leaving the box, not per key."""

    play_pressed = Signal()
    settings_entered = Signal(object)  # SourceSettings: two numbers, no array

    def __init__(self) -> None:
        super().__init__()
        as_panel(self)
        self._title = QLabel()
        self._title.setWordWrap(True)
        self._state = dim_label()
        self._replayed = False
        self.play = QPushButton("❙❙  Pause")
        self.play.clicked.connect(self.play_pressed)
        self.exposure = number_box(" ms", 3)
        self.gain = number_box(" dB", 1)
        self._applied = dim_label()
        self._applied.setWordWrap(True)
        self.exposure.valueChanged.connect(
            lambda value: self.settings_entered.emit(SourceSettings(exposure_us=value * 1000))
        )
        self.gain.valueChanged.connect(lambda value: self.settings_entered.emit(SourceSettings(gain_db=value)))
        grid = QGridLayout()
        grid.setVerticalSpacing(8)
        grid.addWidget(dim_label("Exposure"), 0, 0)
        grid.addWidget(self.exposure, 0, 1)
        grid.addWidget(dim_label("Gain"), 1, 0)
        grid.addWidget(self.gain, 1, 1)
        grid.setColumnStretch(1, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(8)
        column.addWidget(section_label("Source"))
        column.addWidget(self._title)
        column.addWidget(self._state)
        column.addWidget(self.play)
        column.addLayout(grid)
        column.addWidget(self._applied)

    def show_source(self, info: SourceInfo) -> None:
        """Another source: its title and what can be set on it."""
        self._replayed = info.kind == "replay"
        self._title.setText(info.title)
        self._title.setToolTip(f"{info.kind}, serial {info.serial or 'unknown'}")
        for spin, limits, name, scale in (
            (self.exposure, info.exposure_range_us, "exposure", 1e-3),
            (self.gain, info.gain_range_db, "gain", 1.0),
        ):
            spin.setEnabled(limits is not None)
            if limits is None:
                spin.setToolTip(f"This source ({info.kind}) has no {name} to set: its frames are already taken")
                spin.setSpecialValueText("—")
                self._write(spin, 0.0, (0.0, 0.0))
            else:
                low, high = limits[0] * scale, limits[1] * scale
                spin.setSpecialValueText("")
                spin.setToolTip(f"{low:g} to {high:g}{spin.suffix()}; applied after Enter")
                self._write(spin, spin.value(), (low, high))
        self._applied.setText("")

    def show_settings(self, settings: SourceSettings, asked: SourceSettings | None = None) -> None:
        """Show what the source applied; where it differs from what was asked, say so."""
        if settings.exposure_us is not None:
            self._write(self.exposure, settings.exposure_us / 1000)
        if settings.gain_db is not None:
            self._write(self.gain, settings.gain_db)
        parts = []
        if asked is not None:
            for wanted, applied, unit, scale in (
                (asked.exposure_us, settings.exposure_us, "ms", 1e-3),
                (asked.gain_db, settings.gain_db, "dB", 1.0),
            ):
                if wanted is not None and applied is not None and abs(wanted - applied) > 1e-3 * abs(wanted) + 1e-9:
                    parts.append(f"{wanted * scale:g} {unit} was asked, {applied * scale:g} {unit} is set")
        self._applied.setText("; ".join(parts))

    def show_state(self, state: SessionState) -> None:
        """Say whether frames come, and what the button does."""
        replayed = state is SessionState.RUNNING and self._replayed
        self._state.setText("playing a file" if replayed else STATE_TEXT[state])
        text, hint = {
            SessionState.RUNNING: ("❙❙  Pause", "Hold the picture; a camera goes on recording (Space)"),
            SessionState.PAUSED: ("▶  Play", "Go on (Space)"),
            SessionState.ENDED: ("▶  Play again", "Start the file again (Space)"),
            SessionState.FAILED: ("▶  Reconnect", "Start the source again (Space)"),
            SessionState.IDLE: ("▶  Start", "Start the source (Space)"),
        }[state]
        if text != self.play.text():
            self.play.setText(text)
            self.play.setToolTip(hint)

    @staticmethod
    def _write(spin: QDoubleSpinBox, value: float, limits: tuple[float, float] | None = None) -> None:
        spin.blockSignals(True)
        if limits is not None:
            spin.setRange(*limits)
        spin.setValue(value)
        spin.blockSignals(False)
