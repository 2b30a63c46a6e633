"""Earlier calibrations: look through them, compare them, and go back to one."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from livecassi.app.calibrating.library import Library, Version
from livecassi.app.versions import Shelf, read_shelf
from livecassi.app.windows.elided_label import ElidedLabel
from livecassi.app.windows.theme import dim_label
from livecassi.app.windows.version_details import VersionDetails
from livecassi.app.windows.version_papers import VersionPapers
from livecassi.app.windows.version_table import VersionTable
from livecassi.app.windows.versions_look import VERSIONS_STYLE
from livecassi.app.windows.wizard.latest import Latest
from livecassi.calibration import Calibration

REPORTS = "Reports (*.pdf)"
EMPTY = (
    "Calibrate… leads through the captures of this bench step by step and keeps the result here, each as a new version "
    "beside the earlier ones. Without a window the same is done by\n\n"
    "livecassi calibrate plan > plan.toml\nlivecassi calibrate run --source camera --plan plan.toml"
)
NAMED = 3  # damaged files that are named; of the others the number


class VersionsDialog(QDialog):
    """Does not block. What is read, compared or drawn is so beside the window; `tell` shows what went wrong.

    `use_pressed` comes with the id of the version to use, which `shelf` holds.
    """

    use_pressed = Signal(str)
    calibrate_pressed = Signal()

    def __init__(self, library: Library, tell: Callable[[Exception], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.library, self._tell = library, tell
        self.shelf = Shelf(library.folder)
        self._screen: Calibration | None = None
        self._reading: Latest[Shelf] = Latest("shelf", self)
        self.setWindowTitle("Versions of the calibration")
        self.setModal(False)
        self.setStyleSheet(VERSIONS_STYLE)
        self.table, self.details = VersionTable(), VersionDetails()
        self.on_screen, self.status = ElidedLabel(), ElidedLabel()
        self.damaged = QLabel()
        self.damaged.setObjectName("wrong")
        self.damaged.setTextFormat(Qt.TextFormat.PlainText)
        self.damaged.setWordWrap(True)
        self.use = _button("Use this version", "From now on, and for this source at once", self._use)
        self.use.setObjectName("use")
        self.look = _button("Figures…", "Mask, dispersion, response and what the fit leaves", self._look)
        self.report = _button("Report as PDF…", "The report for the file beside the instrument", self._report)
        self.show_folder = _button("Show in folder", "Open the folder of the calibrations", self._show_folder)
        self.copy_path = _button("Copy path", "Copy the path of this file", self._copy_path)
        self._close = _button("Close", "", self.close)
        self.pages = QStackedWidget()
        self._lay_out()
        self.table.chosen.connect(lambda _: self._on_chosen())
        self.papers = VersionPapers(self.say, tell, self)
        self.finished.connect(self.papers.close_figures)
        self.resize(1220, 640)

    def _lay_out(self) -> None:
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.table, self.damaged, self.on_screen):
            column.addWidget(widget)
        body = QSplitter(Qt.Orientation.Horizontal)
        body.setChildrenCollapsible(False)
        body.setHandleWidth(18)
        body.addWidget(left)
        body.addWidget(self.details)
        body.setSizes([730, 430])
        body.setStretchFactor(0, 1)
        for page in (dim_label("Looking through the calibrations…"), self._empty_page(), body):
            self.pages.addWidget(page)
        buttons = QHBoxLayout()
        for button in (self.use, self.look, self.report, self.show_folder, self.copy_path):
            buttons.addWidget(button)
        buttons.addWidget(self.status, 1)
        buttons.addWidget(self._close)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(20, 18, 20, 16)
        whole.setSpacing(14)
        whole.addWidget(self.pages, 1)
        whole.addLayout(buttons)

    def _empty_page(self) -> QWidget:
        page, headline, words = QWidget(), QLabel("No calibration has been kept here yet"), dim_label(EMPTY)
        headline.setObjectName("headline")
        words.setWordWrap(True)
        words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.calibrate = _button("Calibrate…", "Make a calibration of this bench, step by step", self._calibrate)
        self.empty_folder = dim_label()
        self.empty_folder.setWordWrap(True)
        column = QVBoxLayout(page)
        column.setSpacing(14)
        column.addStretch(1)
        for widget in (headline, words, self.empty_folder):
            column.addWidget(widget)
        column.addWidget(self.calibrate, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(2)
        return page

    # ---- what is there -------------------------------------------------------------------------------------------

    def show_screen(self, calibration: Calibration) -> None:
        """What the picture is made with now; the library is read again."""
        self._screen = calibration
        self.refresh()

    def refresh(self) -> None:
        """Read the library again."""
        self._reading.ask(lambda _: read_shelf(self.library), self._on_read)

    def say(self, text: str) -> None:
        """One line beside the buttons."""
        self.status.show_line(text)
        self.status.setToolTip(text)

    def _on_read(self, shelf: Shelf | None, error: Exception | None) -> None:
        if shelf is None:
            if error is not None:
                self._tell(error)
            return
        self.shelf = shelf
        self.damaged.setVisible(bool(shelf.damaged))
        self.damaged.setText(_damaged_words(shelf))
        self.damaged.setToolTip("\n\n".join(damaged.reason for damaged in shelf.damaged))
        self.empty_folder.setText(f"Calibrations are kept in {shelf.folder}")
        self._tell_screen()
        self.pages.setCurrentIndex(2 if shelf.versions or shelf.damaged else 1)
        self.table.show_shelf(shelf)

    def _tell_screen(self) -> None:
        screen, active = self._screen, self.shelf.active
        words = ""
        if screen is not None and (active is None or active.id != screen.id):
            listed = "" if self.shelf.find(screen.id) is not None else ", which is none of these"
            words = f"The picture is made with {screen.header.name or 'a nameless one'} · {screen.id[:8]}{listed}"
        self.on_screen.setVisible(bool(words))
        self.on_screen.show_line(words)

    @property
    def working(self) -> bool:
        """Whether something is being read, compared or drawn."""
        return self._reading.running or self.details.working or self.papers.working

    @property
    def version(self) -> Version | None:
        """The one chosen."""
        return self.shelf.find(self.table.current_id)

    def _on_chosen(self) -> None:
        version = self.version
        self.details.setVisible(version is not None)
        for button in (self.look, self.report, self.copy_path, self.show_folder, self.use):
            button.setVisible(bool(self.shelf.versions))
            button.setEnabled(version is not None)
        if version is None:
            return
        used = version.active and (self._screen is None or self._screen.id == version.id)
        self.use.setEnabled(not used)
        self.use.setText("In use" if used else "Use this version")
        self.details.show_version(version, self.shelf, self._screen)

    # ---- what can be done with one -------------------------------------------------------------------------------

    def _use(self) -> None:
        if self.version is not None:
            self.use_pressed.emit(self.version.id)

    def _calibrate(self) -> None:
        self.close()
        self.calibrate_pressed.emit()

    def _show_folder(self) -> None:
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.shelf.folder))):
            self.say(f"No program here shows folders; the calibrations lie in {self.shelf.folder}")

    def _copy_path(self) -> None:
        if self.version is not None:
            QApplication.clipboard().setText(str(self.version.path))
            self.say("The path is copied")

    def _report(self) -> None:
        version = self.version
        if version is None:
            return
        suggested = Path.home() / f"{version.path.stem}.pdf"
        chosen, _ = QFileDialog.getSaveFileName(self, "Write the report", str(suggested), REPORTS)
        if chosen:
            out = Path(chosen)
            self.papers.write_report(version, out if out.suffix else out.with_suffix(".pdf"))

    def _look(self) -> None:
        if self.version is not None:
            self.papers.show_figures(self.version)


def _button(text: str, hint: str, act: Callable[[], object]) -> QPushButton:
    button = QPushButton(text)
    button.setAutoDefault(False)
    button.setToolTip(hint)
    button.clicked.connect(lambda _checked=False: act())
    return button


def _damaged_words(shelf: Shelf) -> str:
    count = len(shelf.damaged)
    if not count:
        return ""
    names = ", ".join(damaged.path.name for damaged in shelf.damaged[:NAMED])
    more = f" and {count - NAMED} more" if count > NAMED else ""
    return f"{'One file' if count == 1 else f'{count} files'} cannot be read: {names}{more}"
