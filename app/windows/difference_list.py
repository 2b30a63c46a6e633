"""In what two versions of a calibration differ: what, by how much, and from what to what."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from livecassi.app.calibrating.library import Difference
from livecassi.app.versions import size_text
from livecassi.app.windows.theme import dim_label, tabular

NOTHING = "Nothing that matters differs."


class DifferenceList(QScrollArea):
    """One entry below the other, or one sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.lines: tuple[str, ...] = ()
        self.say("")

    def say(self, text: str, *, trouble: bool = False) -> None:
        """One sentence in the place of the list."""
        label = dim_label(text)
        label.setObjectName("wrong" if trouble else "dim")
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        self._fill([label], (text,) if text else ())

    def show_differences(self, found: Sequence[Difference]) -> None:
        """Every difference, or that there is none."""
        if not found:
            self.say(NOTHING)
            return
        lines = (f"{entry.name} {size_text(entry)}: {entry.old} → {entry.new}" for entry in found)
        self._fill([_entry(difference) for difference in found], tuple(lines))

    def _fill(self, widgets: Sequence[QWidget], lines: tuple[str, ...]) -> None:
        self.lines = lines
        holder = QWidget()
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 4, 8, 4)
        column.setSpacing(14)
        for widget in widgets:
            column.addWidget(widget)
        column.addStretch(1)
        self.setWidget(holder)  # the one before is deleted


def _entry(difference: Difference) -> QWidget:
    name, size = QLabel(difference.name[:1].upper() + difference.name[1:]), QLabel(size_text(difference))
    change = dim_label(f"{difference.old} → {difference.new}")
    for label in (name, size, change):
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        tabular(label)
    name.setStyleSheet("font-weight: 600;")
    size.setWordWrap(True)
    size.setAlignment(Qt.AlignmentFlag.AlignRight)
    change.setWordWrap(True)
    head = QHBoxLayout()
    head.setSpacing(12)
    head.addWidget(name)
    head.addWidget(size, 1)
    entry = QWidget()
    column = QVBoxLayout(entry)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    column.addLayout(head)
    column.addWidget(change)
    return entry
