"""The options of one engine, as a dialog made from the engine's own list of them."""

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from livecassi.app.windows.theme import dim_label, tabular
from livecassi.engines import EngineOption, EngineSpec, OptionFiles

FIELD_WIDTH = 132
WIDTH = 560
MOST_HEIGHT = 640
ROUND_ABOUT = 180  # heading, buttons, margins, and room for two complaints


def title_of(key: str) -> str:
    """`live_iterations` as "Live iterations"."""
    words = key.replace("_", " ")
    return words[:1].upper() + words[1:]


def ask_file(parent: QWidget, files: OptionFiles, text: str) -> str:
    """The path of a file that the operator chooses, beside that of `text` if it is one; '' for none."""
    present = Path(text).expanduser()
    folder = present.parent if present.is_absolute() and present.parent.is_dir() else files.folder()
    if not folder.is_dir():
        folder = Path.home()
    endings = " ".join(f"*{suffix}" for suffix in files.suffixes)
    chosen, _ = QFileDialog.getOpenFileName(parent, files.title, str(folder), f"{files.title} ({endings})")
    return chosen


class OptionField(QWidget):
    """One option: its name, what it does, its value, and what is wrong with that, beside each other.

    A path, which is long, stands below its words, with a button to choose the file.
    """

    edited = Signal()

    def __init__(self, key: str, option: EngineOption, text: str) -> None:
        super().__init__()
        self.option = option
        self.browse: QPushButton | None = None
        self.editor: QComboBox | QLineEdit
        if option.choices:
            self.editor = QComboBox()
            self.editor.addItems(option.choices)
            self.editor.currentIndexChanged.connect(self._on_edited)
        else:
            self.editor = QLineEdit()
            self.editor.setPlaceholderText(option.default)
            tabular(self.editor)
            self.editor.textEdited.connect(self._on_edited)
            self.editor.editingFinished.connect(self.check)
        self.editor.setAccessibleName(title_of(key))
        self._wrong = QLabel()
        self._wrong.setObjectName("wrong")
        self.show_text(text)
        explained = dim_label(f"{option.help} Default: {option.default}")
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(QLabel(title_of(key)))
        for label in (explained, self._wrong):
            label.setWordWrap(True)
            words.addWidget(label)
        words.addStretch(1)
        self._wrong.hide()
        if option.files is not None:
            self._lay_out_path(words, title_of(key))
            return
        self.editor.setFixedWidth(FIELD_WIDTH)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(18)
        row.addLayout(words, 1)
        row.addWidget(self.editor, 0, Qt.AlignmentFlag.AlignTop)

    def _lay_out_path(self, words: QVBoxLayout, title: str) -> None:
        self.browse = QPushButton("Browse…")
        self.browse.setFixedWidth(FIELD_WIDTH)
        self.browse.setAutoDefault(False)
        self.browse.setAccessibleName(f"{title}: browse")
        self.browse.clicked.connect(self._browse)
        path = QHBoxLayout()
        path.setSpacing(18)
        path.addWidget(self.editor, 1)
        path.addWidget(self.browse)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(words)
        column.addLayout(path)

    @property
    def text(self) -> str:
        """The value as text; an empty field is the default."""
        text = self.editor.currentText() if isinstance(self.editor, QComboBox) else self.editor.text()
        return text.strip() or self.option.default

    @property
    def complaint(self) -> str:
        """What is wrong with the value, as it is said beside it."""
        return self._wrong.text()

    def show_text(self, text: str) -> None:
        """Write a value into the field."""
        if isinstance(self.editor, QComboBox):
            self.editor.setCurrentText(text)
        else:
            self.editor.setText(text)
            if self.option.files is not None:
                self.editor.setToolTip(text)
                self.editor.setCursorPosition(len(text))  # a long path shows its end, which is the name

    def show_default(self) -> None:
        """Write the default into the field."""
        self.show_text(self.option.default)
        self._on_edited()

    def check(self) -> bool:
        """Whether the value is one; what is wrong is said."""
        try:
            self.option.parse(self.text)
        except ValueError as error:
            self._complain(str(error))
            return False
        self._complain("")
        return True

    def _browse(self) -> None:
        if self.option.files is not None and (chosen := ask_file(self, self.option.files, self.text)):
            self.show_text(chosen)
            self._on_edited()

    def _on_edited(self) -> None:
        if self.complaint:  # what was wrong may be right now; what is half typed is not yet wrong
            self.check()
        self.edited.emit()

    def _complain(self, words: str) -> None:
        self._wrong.setText(words[:1].upper() + words[1:])
        self._wrong.setVisible(bool(words))
        name = "wrong" if words else ""
        if name != self.editor.objectName():
            self.editor.setObjectName(name)
            self.editor.style().polish(self.editor)


class EngineOptionsDialog(QDialog):
    """Stays open beside the picture: with Apply the engine is built anew from `texts`, and seen at work at once.

    `wanted` says what must be chosen before the engine can run, if anything.
    """

    applied = Signal()

    def __init__(
        self, spec: EngineSpec, present: Mapping[str, str], parent: QWidget | None = None, wanted: str = ""
    ) -> None:
        super().__init__(parent)
        self.engine = spec.name
        self.setWindowTitle(f"Options of {spec.name}")
        self.setModal(False)
        self.fields = {
            key: OptionField(key, option, present.get(key, option.default)) for key, option in spec.options.items()
        }
        self._running: dict[str, str] = {}
        self._building = False
        self.state = dim_label()
        self.defaults = QPushButton("Defaults")
        self.defaults.setToolTip("Write the default of every option into its field; nothing changes before Apply")
        self.apply = QPushButton("Apply")
        self.apply.setDefault(True)
        self._close = QPushButton("Close")
        for button in (self.defaults, self._close):
            button.setAutoDefault(False)
        self.defaults.clicked.connect(self._show_defaults)
        self.apply.clicked.connect(self._apply)
        self._close.clicked.connect(self.close)
        self.wanted = QLabel(wanted[:1].upper() + wanted[1:])
        self.wanted.setObjectName("wrong")
        self.wanted.setWordWrap(True)
        self.wanted.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)  # commands, to copy
        self.wanted.setVisible(bool(wanted))
        self._lay_out(spec.title)
        for field in self.fields.values():
            field.edited.connect(self._refresh)

    def _lay_out(self, title: str) -> None:
        inside = QWidget()
        listed = QVBoxLayout(inside)
        listed.setContentsMargins(0, 0, 2, 0)
        listed.setSpacing(14)
        for field in self.fields.values():
            listed.addWidget(field)
        if not self.fields:
            listed.addWidget(QLabel("This engine has nothing to set."))
        listed.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        buttons = QHBoxLayout()
        buttons.addWidget(self.defaults)
        buttons.addWidget(self.state, 1)
        buttons.addWidget(self._close)
        buttons.addWidget(self.apply)
        column = QVBoxLayout(self)
        column.setContentsMargins(22, 20, 22, 18)
        column.setSpacing(14)
        heading = dim_label(title[:1].upper() + title[1:])
        heading.setWordWrap(True)
        column.addWidget(heading)
        column.addWidget(self.wanted)
        column.addWidget(scroll, 1)
        column.addLayout(buttons)
        told = self.wanted.heightForWidth(WIDTH - 44) if self.wanted.text() else 0
        self.resize(WIDTH, min(MOST_HEIGHT, listed.totalHeightForWidth(WIDTH - 60) + told + ROUND_ABOUT))

    @property
    def texts(self) -> dict[str, str]:
        """Every option as it stands in the dialog."""
        return {key: field.text for key, field in self.fields.items()}

    def show_state(self, running: Mapping[str, str] | None, building: bool) -> None:
        """Tell with which options the engine runs (None: it does not), and whether one is being built."""
        self._building = building
        self._running = {}
        if running is not None:
            self._running = {key: running.get(key, field.option.default) for key, field in self.fields.items()}
        self._refresh()

    def _refresh(self) -> None:
        same = self.texts == self._running
        self.apply.setEnabled(not self._building and not same)
        if self._building:
            text = f"preparing {self.engine}…"
        elif same:
            text = f"{self.engine} runs with these"
        else:
            text = "not applied yet"
        self.state.setText(text)

    def _show_defaults(self) -> None:
        for field in self.fields.values():
            field.show_default()

    def _apply(self) -> None:
        wrong = [field for field in self.fields.values() if not field.check()]
        if wrong:
            wrong[0].editor.setFocus()
            return
        self.applied.emit()
