"""One calm dialog for everything that goes wrong: what, what to do, details, and a report to copy."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from livecassi.app.report import error_details
from livecassi.app.windows.theme import dim_label, fixed_font
from livecassi.app.wording import headline


@dataclass(frozen=True, slots=True)
class Remedy:
    """A button that does something about an error."""

    text: str
    act: Callable[[], None]


@dataclass(slots=True)
class _Trouble:
    error: Exception
    message: str
    remedy: Remedy | None
    times: int = 1


class ErrorDialog(QDialog):
    """Shows one error at a time; the same error again only counts, another one waits its turn. Does not block."""

    def __init__(self, report: Callable[[Exception], str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report = report
        self._waiting: list[_Trouble] = []
        self.setWindowTitle("livecassi")
        self.setObjectName("trouble")
        self.setModal(False)
        self.setMinimumWidth(560)
        self._headline = QLabel()
        self._headline.setObjectName("headline")
        self._message = QLabel()
        self._message.setWordWrap(True)
        self._message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._count = dim_label()
        self._details = QPlainTextEdit()
        self._details.setReadOnly(True)
        self._details.setMinimumHeight(160)
        self._details.setFont(fixed_font())
        self._details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._details.hide()
        self._more = QPushButton("Details")
        self._more.setCheckable(True)
        self._more.toggled.connect(self._show_details)
        self.copy = QPushButton("Copy report")
        self.copy.setToolTip("Versions, counters and the last log lines, to paste into a message")
        self.copy.clicked.connect(self._copy)
        self.remedy = QPushButton()
        self.remedy.clicked.connect(self._remedy)
        self._close = QPushButton("Close")
        self._close.clicked.connect(self.close)
        buttons = QHBoxLayout()
        for widget in (self._more, self.copy):
            buttons.addWidget(widget)
        buttons.addStretch(1)
        for widget in (self.remedy, self._close):
            buttons.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(22, 20, 22, 18)
        column.setSpacing(12)
        for part in (self._headline, self._message, self._count, self._details):
            column.addWidget(part)
        column.addStretch(1)
        column.addLayout(buttons)

    def tell(self, error: Exception, remedy: Remedy | None = None, note: str = "") -> None:
        """Show an error, or count it where it is shown or waiting already. `note` is added to the message."""
        message = str(error) or type(error).__name__
        message = message[0].upper() + message[1:] + ("" if message.endswith((".", "!", "?", "…")) else ".")
        if note:
            message = f"{message}\n\n{note}"
        for known in self._waiting:
            if type(known.error) is type(error) and known.message == message:
                known.times += 1
                known.remedy = remedy
                break
        else:
            self._waiting.append(_Trouble(error, message, remedy))
        self._refresh()
        if not self.isVisible():
            self.adjustSize()
            self.show()
            self.raise_()

    @property
    def message(self) -> str:
        """The message shown; empty where there is no trouble."""
        return self._waiting[0].message if self._waiting else ""

    @property
    def title(self) -> str:
        """The headline shown."""
        return self._headline.text()

    @property
    def count_text(self) -> str:
        """How often, and how many more wait."""
        return self._count.text()

    def done(self, result: int) -> None:
        """Forget the error shown; the next one takes its place."""
        if self._waiting:
            del self._waiting[0]
        if self._waiting:
            self._refresh()
        else:
            super().done(result)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Closing is dismissing the error shown."""
        event.ignore()
        self.done(0)

    def forget_all(self) -> None:
        """Dismiss everything, because the window closes."""
        self._waiting.clear()
        super().done(0)

    def _refresh(self) -> None:
        trouble = self._waiting[0]
        self._headline.setText(headline(trouble.error))
        self._message.setText(trouble.message)
        parts = [f"seen {trouble.times} times"] if trouble.times > 1 else []
        if more := len(self._waiting) - 1:
            parts.append(f"{more} more {'problem' if more == 1 else 'problems'} after this")
        self._count.setText(" · ".join(parts))
        self._count.setVisible(bool(parts))
        self._details.setPlainText(error_details(trouble.error))
        self.copy.setText("Copy report")
        self.remedy.setVisible(trouble.remedy is not None)
        if trouble.remedy is not None:
            self.remedy.setText(trouble.remedy.text)

    def _show_details(self, wanted: bool) -> None:
        self._details.setVisible(wanted)
        self.adjustSize()

    def _copy(self) -> None:
        if self._waiting:
            QApplication.clipboard().setText(self._report(self._waiting[0].error))
            self.copy.setText("Copied")

    def _remedy(self) -> None:
        remedy = self._waiting[0].remedy if self._waiting else None
        self.done(0)
        if remedy is not None:
            remedy.act()
