"""The choice of engine: what each costs and needs, why some cannot run here, and what runs."""

import html
from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from livecassi.app.engine_choice import wanted_file, why_not
from livecassi.app.session import SessionStats
from livecassi.app.windows.elided_label import ElidedLabel
from livecassi.app.windows.engine_box import WANTING, EngineBox
from livecassi.app.windows.theme import as_panel, dim_label, section_label
from livecassi.app.wording import adaptation_words, pace_lines, weights_words
from livecassi.calibration import Calibration
from livecassi.engines import EngineInfo, EngineSpec

CAUTION = "These weights are {}: colours and details of the picture are not yet those that the network can give"


def _state_text(stats: SessionStats) -> str:
    present, following = stats.present_engine, stats.next_engine
    if stats.building:
        return f"preparing: {stats.preparing}" if stats.preparing else f"preparing {stats.building}…"
    if following is None:
        return "no engine is running"
    if present is None:
        return f"{following.name} is ready"
    if present == following:
        return f"{present.name} is running"
    if present.name == following.name:
        return f"{present.name} finishes its pass"  # then it goes on with other options
    return f"{following.name} follows {present.name}"  # which is in a pass, or in a pause


def _wrapped(lines: list[str]) -> str:
    """Lines of a tooltip, broken where they are long: only rich text is."""
    return "<p>" + "<br>".join(html.escape(line) for line in lines) + "</p>"


class EnginePanel(QWidget):
    """The list of engines, a way to the options of the one chosen, and what runs."""

    engine_chosen = Signal(str)
    list_opening = Signal()
    options_wanted = Signal()
    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        as_panel(self)
        self.combo = EngineBox()
        self.combo.opening.connect(self.list_opening)
        self.combo.activated.connect(lambda index: self.engine_chosen.emit(self.combo.itemData(index)))
        self.options = QPushButton("Options…")
        self.options.setToolTip("Set how this engine works; the picture goes on meanwhile")
        self.options.clicked.connect(self.options_wanted)
        self._state = QLabel()
        self._pace = dim_label()
        self._weights, self._caution = ElidedLabel(), QLabel()
        self._caution.setObjectName("caution")
        self._caution.hide()
        self._state.setWordWrap(True)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Give up preparing this engine; what runs now goes on")
        self.cancel.clicked.connect(self.cancelled)
        self.cancel.hide()
        three_lines = 3 * self._state.fontMetrics().lineSpacing()  # what is prepared, for a name that is long
        self._state.setMinimumHeight(max(three_lines, self.cancel.sizeHint().height()))
        self._state.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._runtime = ElidedLabel()
        state = QHBoxLayout()
        state.setSpacing(6)
        state.addWidget(self._state, 1)
        state.addWidget(self.cancel, 0, Qt.AlignmentFlag.AlignTop)
        self._pace.setWordWrap(True)
        self._pace.setMinimumHeight(2 * self._pace.fontMetrics().lineSpacing())  # panels below never move
        self._pace.setAlignment(Qt.AlignmentFlag.AlignTop)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.combo, 1)
        row.addWidget(self.options)
        weights = QHBoxLayout()
        weights.setSpacing(6)
        weights.addWidget(self._caution)
        weights.addWidget(self._weights, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(8)
        column.addWidget(section_label("Engine"))
        column.addLayout(row)
        column.addLayout(state)
        column.addWidget(self._runtime)
        column.addLayout(weights)
        column.addWidget(self._pace)

    def show_engines(self, specs: Mapping[str, EngineSpec], calibration: Calibration, chosen: str) -> None:
        """List the engines, below a line those that do not run as they come, with the reason.

        They are greyed, unless an option mends it, such as a file to be chosen.
        """
        self.combo.clear()
        model = self.combo.model()
        reasons = {name: why_not(spec, calibration) for name, spec in specs.items()}
        ready = [name for name, reason in reasons.items() if not reason]
        for name in sorted(specs, key=lambda name: bool(reasons[name])):
            spec, reason = specs[name], reasons[name]
            if self.combo.count() == len(ready) > 0 and reason:
                self.combo.insertSeparator(len(ready))
            self.combo.addItem(name, name)
            index = self.combo.count() - 1
            told = {"Cost": spec.cost, "Needs": spec.needs, "Weights": spec.weights, "Runs on": spec.runs_on()}
            lines = [spec.title, *(f"{what}: {words}" for what, words in told.items() if words)]
            mendable = bool(wanted_file(spec, calibration))
            if reason:
                lines.append(f"{'Not ready' if mendable else 'Not available'}: {reason}")
            self.combo.setItemData(index, _wrapped(lines), Qt.ItemDataRole.ToolTipRole)
            self.combo.setItemData(index, mendable, WANTING)
            if reason and not mendable and isinstance(model, QStandardItemModel):
                model.item(index).setEnabled(False)
        self.choose(chosen)

    def choose(self, name: str) -> None:
        """Show an engine as chosen; an unknown name leaves the choice as it is."""
        if (index := self.combo.findData(name)) >= 0:
            self.combo.setCurrentIndex(index)
            self.combo.setToolTip(str(self.combo.itemData(index, Qt.ItemDataRole.ToolTipRole)))

    def show_progress(self, stats: SessionStats) -> None:
        """Say which engine runs, with which weights, how late its cubes come, and which is being prepared."""
        engine = stats.present_engine or stats.next_engine
        self._state.setText(_state_text(stats))
        self.cancel.setVisible(bool(stats.preparing))
        self._runtime.show_line(engine.runtime if engine is not None else "")
        self._runtime.setToolTip(engine.runtime if engine is not None else "")
        self._pace.setText("\n".join(pace_lines(engine)) if engine is not None else "")
        self._pace.setToolTip(adaptation_words(engine) if engine is not None else "")
        self._show_weights(engine)

    def _show_weights(self, engine: EngineInfo | None) -> None:
        name, caution = weights_words(engine) if engine is not None else ("", "")
        stem = name.removesuffix(".safetensors")
        self._weights.show_line(stem if caution or not name else f"weights {stem}")
        self._caution.setText(caution)
        self._caution.setVisible(bool(caution))
        hint = "\n".join(line for line in (f"Weights: {name}", CAUTION.format(caution) if caution else "") if line)
        for label in (self._weights, self._caution):
            label.setToolTip(hint if name else "")

    @property
    def progress_text(self) -> str:
        """What is said about the engine that runs."""
        texts = (self._state.text(), self.caution, self._weights.whole, *self._pace.text().split("\n"))
        return " · ".join(text for text in texts if text)

    @property
    def runtime_text(self) -> str:
        """What executes the engine that runs."""
        return self._runtime.whole

    @property
    def caution(self) -> str:
        """What is said loudly about the weights; empty where they can be trusted."""
        return self._caution.text()
