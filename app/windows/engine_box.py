"""The list of engines as a box that unfolds: what runs as it comes is bright, what wants something first is dim."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPalette
from PySide6.QtWidgets import QComboBox, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from livecassi.app.windows.theme import DIM, LINE

SHOWN = 9  # letters of a name in the box; its list is as wide as it needs
ROOM = 24  # px beside the names of the list
BETWEEN = 4  # px above and below a name
FADED = 110  # of 255: what cannot be chosen at all
SEPARATOR = 7  # px that a line between groups takes
WANTING = Qt.ItemDataRole.UserRole + 1  # whether an entry wants something first

Index = QModelIndex | QPersistentModelIndex


class EngineBox(QComboBox):
    """Tells before its list is seen."""

    opening = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(SHOWN)  # longer names do not widen the panel
        self.setItemDelegate(_Entries(self))
        self.view().setObjectName("engines")

    def showPopup(self) -> None:  # noqa: N802
        """As wide as its names are."""
        self.opening.emit()
        self.view().setMinimumWidth(self.view().sizeHintForColumn(0) + ROOM)
        super().showPopup()


class _Entries(QStyledItemDelegate):
    """That of Qt for boxes paints every entry that can be chosen alike under a style sheet."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:  # noqa: N802
        super().initStyleOption(option, index)
        colour = QColor(DIM)
        if not index.flags() & Qt.ItemFlag.ItemIsEnabled:
            colour.setAlpha(FADED)
        elif not index.data(WANTING):
            return
        palette = option.palette
        for group in (QPalette.ColorGroup.Active, QPalette.ColorGroup.Inactive, QPalette.ColorGroup.Disabled):
            palette.setColor(group, QPalette.ColorRole.Text, colour)
        option.palette = palette

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        if not _is_separator(index):
            super().paint(painter, option, index)
            return
        rect = option.rect
        painter.fillRect(rect.left() + 6, rect.center().y(), rect.width() - 12, 1, QColor(LINE))

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802
        if _is_separator(index):
            return QSize(0, SEPARATOR)
        size = super().sizeHint(option, index)
        return QSize(size.width(), max(size.height(), option.fontMetrics.height() + 2 * BETWEEN))


def _is_separator(index: Index) -> bool:
    return bool(index.data(Qt.ItemDataRole.AccessibleDescriptionRole) == "separator")
