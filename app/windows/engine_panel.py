"""The choice of engine: what each costs and needs, and why some cannot run here."""

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from livecassi.app.windows.theme import as_panel, dim_label, section_label
from livecassi.calibration import Calibration
from livecassi.engines import EngineSpec


def why_not(spec: EngineSpec, calibration: Calibration) -> str:
    """Why an engine cannot be chosen for this calibration on this machine; empty where it can."""
    if lacking := spec.missing():
        return lacking
    if calibration.system not in spec.systems:
        made_for = ", ".join(sorted(spec.systems))
        return f"made for {made_for}; this calibration is for {calibration.system}"
    return ""


class EnginePanel(QWidget):
    """The list of engines."""

    engine_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        as_panel(self)
        self.combo = QComboBox()
        self.combo.activated.connect(lambda index: self.engine_chosen.emit(self.combo.itemData(index)))
        self._note = dim_label()
        self._note.setWordWrap(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(8)
        column.addWidget(section_label("Engine"))
        column.addWidget(self.combo)
        column.addWidget(self._note)

    def show_engines(self, specs: Mapping[str, EngineSpec], calibration: Calibration, chosen: str) -> None:
        """List the engines; those that cannot run are greyed with the reason."""
        self.combo.clear()
        model = self.combo.model()
        for name, spec in specs.items():
            reason = why_not(spec, calibration)
            self.combo.addItem(name, name)
            index = self.combo.count() - 1
            lines = [spec.title, f"Cost: {spec.cost}", f"Needs: {spec.needs}", f"Weights: {spec.weights}"]
            if reason:
                lines.append(f"Not available: {reason}")
            self.combo.setItemData(index, "\n".join(lines), Qt.ItemDataRole.ToolTipRole)
            if reason and isinstance(model, QStandardItemModel):
                model.item(index).setEnabled(False)
        self.choose(chosen)

    def choose(self, name: str) -> None:
        """Show an engine as chosen; an unknown name leaves the choice as it is."""
        if (index := self.combo.findData(name)) >= 0:
            self.combo.setCurrentIndex(index)
            self.combo.setToolTip(str(self.combo.itemData(index, Qt.ItemDataRole.ToolTipRole)))

    def show_progress(self, engine: str, building: str) -> None:
        """Say which engine runs and which is being prepared."""
        if building:
            text = f"preparing {building}…"
        elif engine:
            text = f"{engine} is running"
        else:
            text = "no engine is running"
        self._note.setText(text)
