"""One version at length, and in what it differs from the one in use or from any other."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from livecassi.app.calibrating.library import Version
from livecassi.app.calibration_words import shorten
from livecassi.app.versions import (
    Comparison,
    Shelf,
    compare,
    content_lines,
    made_text,
    parent_text,
    title,
    usual_other,
    verdict_hint,
)
from livecassi.app.windows.difference_list import DifferenceList
from livecassi.app.windows.elided_label import ElidedLabel
from livecassi.app.windows.theme import dim_label
from livecassi.app.windows.wizard.latest import Latest
from livecassi.calibration import Calibration

NO_OTHER = "There is no other version to compare with."
MOST = 48  # characters of an entry in the list of others
SCREEN = "screen"  # in the place of an id: what the picture is made with, which is no version


class VersionDetails(QWidget):
    """Files are read and compared beside the window; of several wishes in a row only the last one is shown.

    `calibration` is the content of the version shown, once it was read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calibration: Calibration | None = None
        self._version: Version | None = None
        self._shelf: Shelf | None = None
        self._screen: Calibration | None = None
        self._work: Latest[Comparison] = Latest("versions", self)
        self._name = ElidedLabel()
        self._name.setObjectName("headline")
        self._facts = dim_label()
        self._facts.setWordWrap(True)
        self._facts.setTextFormat(Qt.TextFormat.PlainText)
        self._facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.other = QComboBox()
        self.other.setAccessibleName("Compared with")
        self.other.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.other.activated.connect(lambda _: self._compare())
        self.differences = DifferenceList()
        compared = QHBoxLayout()
        compared.setSpacing(10)
        compared.addWidget(QLabel("Compared with"))
        compared.addWidget(self.other, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        for widget in (self._name, self._facts):
            column.addWidget(widget)
        column.addSpacing(6)
        column.addLayout(compared)
        column.addWidget(self.differences, 1)

    def show_version(self, version: Version, shelf: Shelf, screen: Calibration | None) -> None:
        """Another version, or the same in another library; `screen` is what the picture is made with."""
        same = self._version is not None and self._version.id == version.id
        before = self.other.currentData() if same else None
        self._version, self._shelf = version, shelf
        self._screen = screen if screen is not None and shelf.find(screen.id) is None else None
        self._name.show_line(version.name or "without a name")
        self._name.setToolTip(version.name)
        self._tell_facts([])
        self._list_others(before)
        self._compare()

    @property
    def working(self) -> bool:
        """Whether files are being read or compared."""
        return self._work.running

    @property
    def facts(self) -> str:
        """What is said about the version."""
        return self._facts.text()

    def choose_other(self, calibration_id: str) -> None:
        """Compare with the version of this id."""
        self.other.setCurrentIndex(self.other.findData(calibration_id))
        self._compare()

    def _list_others(self, before: str | None) -> None:
        assert self._version is not None
        assert self._shelf is not None
        self.other.clear()
        for version in self._shelf.versions:
            if version.id != self._version.id:
                mark = " (in use)" if version.active else ""
                self._list(f"{made_text(version.created)}{mark} · {version.name}", version.id, title(version))
        if self._screen is not None:
            self._list(f"on the screen · {self._screen.header.name}", SCREEN, self._screen.id)
        usual = usual_other(self._version, self._shelf)
        for wanted in (before, usual.id if usual is not None else SCREEN):
            index = self.other.findData(wanted) if wanted else -1
            if index >= 0:
                self.other.setCurrentIndex(index)
                break
        self.other.setEnabled(self.other.count() > 0)

    def _list(self, text: str, data: str, hint: str) -> None:
        self.other.addItem(shorten(text, MOST), data)
        self.other.setItemData(self.other.count() - 1, hint, Qt.ItemDataRole.ToolTipRole)

    def _compare(self) -> None:
        if self._version is None or self._shelf is None:
            return
        path, wanted = self._version.path, self.other.currentData()
        found = self._shelf.find(wanted) if wanted else None
        other = self._screen if wanted == SCREEN else found.path if found is not None else None
        self.calibration = None
        self.differences.say("Comparing…" if other is not None else "")
        self._work.ask(lambda _: compare(path, other), self._compared)

    def _compared(self, comparison: Comparison | None, error: Exception | None) -> None:
        if comparison is None:
            self.differences.say(f"These cannot be compared: {error}", trouble=True)
            return
        self.calibration = comparison.chosen
        self._tell_facts(content_lines(comparison.chosen))
        if comparison.found is None:
            self.differences.say(NO_OTHER)
        else:
            self.differences.show_differences(comparison.found)

    def _tell_facts(self, more: list[str]) -> None:
        assert self._version is not None
        assert self._shelf is not None
        parent = parent_text(self._version, self._shelf)
        lines = [
            f"{self._version.system.upper()} · made {made_text(self._version.created)} · {verdict_hint(self._version)}",
            *more,
            f"child of {parent}" if parent else "",
        ]
        self._facts.setText("\n".join(line for line in lines if line))
