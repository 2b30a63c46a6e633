"""What the wizard asks a person; tests answer in their place."""

from enum import Enum
from pathlib import Path
from typing import Protocol

from PySide6.QtWidgets import QFileDialog, QInputDialog, QMessageBox, QWidget


class Closing(Enum):
    """What becomes of an unfinished calibration."""

    KEEP = "keep"
    DISCARD = "discard"
    STAY = "stay"


class Questions(Protocol):
    """Somebody who answers."""

    def reason(self, what: str) -> str:
        """Why to go on although `what` failed; empty: not to go on."""
        ...

    def closing(self, captures: int, unwritten: int) -> Closing:
        """Keep or discard the draft of so many captures, or stay; `unwritten` of them would be lost by closing."""
        ...

    def open_file(self, title: str, kinds: str) -> Path | None:
        """A file that is there."""
        ...

    def save_file(self, title: str, suggested: Path, kinds: str) -> Path | None:
        """A file to write."""
        ...


class Dialogs:
    """Asks with dialogs in front of the wizard."""

    def __init__(self, parent: QWidget) -> None:
        self._parent = parent

    def reason(self, what: str) -> str:
        """Ask in one line."""
        text, agreed = QInputDialog.getText(
            self._parent,
            "Continue anyway",
            f"{what}\n\nWhy is it right to continue? The reason is kept in the calibration and its report.",
        )
        return text.strip() if agreed else ""

    def closing(self, captures: int, unwritten: int) -> Closing:
        """Ask with three buttons; Escape stays."""
        box = QMessageBox(self._parent)
        box.setWindowTitle("Close the calibration")
        box.setText(f"This calibration is not finished. {_captures_words(captures, unwritten)}")
        box.setInformativeText("Keep the draft, and go on with it another time?")
        keep = box.addButton("Keep draft", QMessageBox.ButtonRole.AcceptRole)
        discard = box.addButton("Discard draft", QMessageBox.ButtonRole.DestructiveRole)
        stay = box.addButton("Stay here", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(stay if unwritten else keep)
        box.exec()
        clicked = box.clickedButton()
        box.deleteLater()
        return Closing.KEEP if clicked is keep else Closing.DISCARD if clicked is discard else Closing.STAY

    def open_file(self, title: str, kinds: str) -> Path | None:
        """The system's file dialog."""
        chosen, _ = QFileDialog.getOpenFileName(self._parent, title, str(Path.home()), kinds)
        return Path(chosen) if chosen else None

    def save_file(self, title: str, suggested: Path, kinds: str) -> Path | None:
        """The system's file dialog."""
        chosen, _ = QFileDialog.getSaveFileName(self._parent, title, str(suggested), kinds)
        return Path(chosen) if chosen else None


def _captures_words(count: int, unwritten: int) -> str:
    if not count:
        return "Nothing was captured yet."
    if unwritten:
        return (
            f"{unwritten} of {count} captures could not be written and are lost by closing: "
            "stay, free space on the disk and try again."
        )
    return "1 capture is kept on disk." if count == 1 else f"{count} captures are kept on disk."
