"""The look: a calm dark theme on Qt's Fusion style, one accent, tabular figures, and the icon."""

from importlib import resources

from PySide6.QtCore import QLocale, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QPalette, QPixmap, QValidator
from PySide6.QtWidgets import QApplication, QDoubleSpinBox, QLabel, QStyleFactory, QWidget

BACKGROUND = "#12151b"
PANEL = "#191d25"
RAISED = "#252b37"
LINE = "#2d3442"
TEXT = "#e4e8ef"
DIM = "#8c96a8"
ACCENT = "#5aa9e6"
RED = "#f0484b"
AMBER = "#ffb02e"

STYLE = f"""
QMainWindow, QDialog {{ background: {BACKGROUND}; }}
QWidget {{ color: {TEXT}; }}
QToolTip {{ background: {RAISED}; color: {TEXT}; border: 1px solid {LINE}; padding: 4px; }}
#panel {{ background: {PANEL}; border: 1px solid {LINE}; border-radius: 8px; }}
#section {{ color: {DIM}; font-weight: 600; }}
#dim {{ color: {DIM}; }}
#trouble {{ background: {PANEL}; border: 1px solid {LINE}; }}
#trouble QLabel {{ background: transparent; }}
#headline {{ font-size: 15pt; font-weight: 600; }}
#notice {{ background: rgba(18, 21, 27, 215); border: 1px solid {LINE}; border-radius: 8px; padding: 8px 14px; }}
#saturation {{ background: {RED}; color: white; font-weight: 700; border-radius: 6px; padding: 4px 10px; }}
QPushButton {{ background: {RAISED}; border: 1px solid {LINE}; border-radius: 6px; padding: 6px 12px; }}
QPushButton:hover {{ border-color: {ACCENT}; }}
QPushButton:pressed {{ background: {LINE}; }}
QPushButton:disabled {{ color: {DIM}; background: {PANEL}; }}
QPushButton:checked {{ background: {ACCENT}; border-color: {ACCENT}; color: {BACKGROUND}; }}
QPushButton#record {{ background: #3a1d22; border-color: #7c2b31; color: #ff9a9c; font-weight: 600; padding: 9px; }}
QPushButton#record:hover {{ border-color: {RED}; }}
QPushButton#record:checked {{ background: {RED}; border-color: {RED}; color: white; }}
QPushButton#record:disabled {{ background: {PANEL}; border-color: {LINE}; color: {DIM}; }}
QPushButton#left {{ border-top-right-radius: 0; border-bottom-right-radius: 0; }}
QPushButton#middle {{ border-radius: 0; border-left: none; }}
QPushButton#right {{ border-top-left-radius: 0; border-bottom-left-radius: 0; border-left: none; }}
QToolButton {{ background: transparent; border: none; border-radius: 4px; padding: 2px 6px; color: {DIM}; }}
QToolButton:hover {{ background: {RAISED}; color: {TEXT}; }}
QComboBox, QDoubleSpinBox, QSpinBox, QLineEdit {{
    background: {BACKGROUND}; border: 1px solid {LINE}; border-radius: 6px; padding: 4px 8px; min-height: 20px;
    selection-background-color: {ACCENT};
}}
QComboBox:focus, QDoubleSpinBox:focus, QSpinBox:focus, QLineEdit:focus {{ border-color: {ACCENT}; }}
QLineEdit#wrong {{ border-color: {AMBER}; }}
#wrong {{ color: {AMBER}; }}
#caution {{ color: {AMBER}; font-weight: 600; }}
QDoubleSpinBox:disabled, QSpinBox:disabled, QComboBox:disabled {{ color: {DIM}; background: {PANEL}; }}
QAbstractSpinBox QLineEdit {{ background: transparent; border: none; padding: 0; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ width: 0; border: none; }}
QComboBox::drop-down {{ border: none; width: 24px; }}
QComboBox::down-arrow {{ image: url(ICONS/chevron.svg); width: 12px; height: 12px; }}
QCheckBox {{ spacing: 8px; }}
QCheckBox::indicator {{
    width: 14px; height: 14px; border: 1px solid {DIM}; border-radius: 4px; background: {BACKGROUND};
}}
QCheckBox::indicator:checked {{
    background: {ACCENT}; border-color: {ACCENT}; image: url(ICONS/tick.svg);
}}
QCheckBox::indicator:disabled {{ border-color: {LINE}; }}
QComboBox QAbstractItemView {{ background: {RAISED}; border: 1px solid {LINE}; }}
QAbstractItemView#engines {{ padding: 4px; }}
QSlider::groove:horizontal {{ height: 4px; background: {LINE}; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ background: {ACCENT}; border-radius: 2px; }}
QSlider::handle:horizontal {{ width: 16px; margin: -6px 0; border-radius: 8px; background: {TEXT}; }}
QSlider::handle:horizontal:hover {{ background: {ACCENT}; }}
QStatusBar {{ background: {PANEL}; border-top: 1px solid {LINE}; }}
QStatusBar::item {{ border: none; }}
QMenuBar {{ background: {PANEL}; border-bottom: 1px solid {LINE}; }}
QMenuBar::item {{ padding: 5px 10px; background: transparent; }}
QMenuBar::item:selected, QMenu::item:selected {{ background: {RAISED}; }}
QMenu {{ background: {PANEL}; border: 1px solid {LINE}; padding: 4px; }}
QMenu::item {{ padding: 5px 26px 5px 18px; border-radius: 4px; }}
QMenu::item:disabled {{ color: {DIM}; }}
QMenu::separator {{ height: 1px; background: {LINE}; margin: 4px 8px; }}
QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
QPlainTextEdit {{ background: {BACKGROUND}; border: 1px solid {LINE}; border-radius: 6px; }}
QDockWidget::title {{ background: {PANEL}; padding: 6px 10px; }}
QSplitter::handle {{ background: transparent; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 2px; }}
QScrollBar::handle:vertical {{ background: {LINE}; border-radius: 3px; min-height: 24px; }}
QScrollBar::handle:vertical:hover {{ background: {DIM}; }}
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{
    background: none; border: none; height: 0; width: 0;
}}
"""


def apply_theme(application: QApplication) -> None:
    """Give the whole application the style, the dark scheme, the font and the icon."""
    application.setStyle(QStyleFactory.create("Fusion"))
    application.styleHints().setColorScheme(Qt.ColorScheme.Dark)
    palette = QPalette()
    for role, colour in {
        QPalette.ColorRole.Window: BACKGROUND,
        QPalette.ColorRole.WindowText: TEXT,
        QPalette.ColorRole.Base: BACKGROUND,
        QPalette.ColorRole.AlternateBase: PANEL,
        QPalette.ColorRole.Text: TEXT,
        QPalette.ColorRole.Button: RAISED,
        QPalette.ColorRole.ButtonText: TEXT,
        QPalette.ColorRole.ToolTipBase: RAISED,
        QPalette.ColorRole.ToolTipText: TEXT,
        QPalette.ColorRole.Highlight: ACCENT,
        QPalette.ColorRole.HighlightedText: BACKGROUND,
        QPalette.ColorRole.PlaceholderText: DIM,
    }.items():
        palette.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(DIM))
    application.setPalette(palette)
    with resources.as_file(resources.files("livecassi.resources") / "icons") as folder:
        application.setStyleSheet(STYLE.replace("ICONS", folder.as_posix()))
    application.setWindowIcon(icon())


def icon() -> QIcon:
    """The application's icon."""
    data = (resources.files("livecassi.resources") / "icons" / "livecassi.svg").read_bytes()
    pixmap = QPixmap()
    pixmap.loadFromData(data, "SVG")
    return QIcon(pixmap)


def tabular(widget: QWidget) -> None:
    """Figures of one width, so that a changing number does not make its neighbours dance."""
    font = widget.font()
    font.setFeature(QFont.Tag("tnum"), 1)
    widget.setFont(font)


def as_panel(widget: QWidget) -> None:
    """Give a widget the raised background of a panel."""
    widget.setObjectName("panel")
    widget.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)


class _NumberBox(QDoubleSpinBox):
    """Takes a comma for the decimal point; Qt would drop it and read 0,5 as 5."""

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        return super().validate(text.replace(",", "."), position)

    def valueFromText(self, text: str) -> float:  # noqa: N802
        return super().valueFromText(text.replace(",", "."))


def number_box(suffix: str, decimals: int) -> QDoubleSpinBox:
    """A box for a number that reports after Enter or leaving it, not per key; arrow keys and the wheel step."""
    box = _NumberBox()
    box.setLocale(QLocale.c())
    box.lineEdit().returnPressed.connect(box.clearFocus)  # the next key is a shortcut again, not a digit
    box.setSuffix(suffix)
    box.setDecimals(decimals)
    box.setKeyboardTracking(False)
    box.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
    box.lineEdit().setTextMargins(6, 0, 0, 0)
    tabular(box)
    return box


def fixed_font() -> QFont:
    """Small type of one width, for logs and tracebacks."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPointSize(9)
    return font


def dim_label(text: str = "") -> QLabel:
    """A secondary line of text."""
    label = QLabel(text)
    label.setObjectName("dim")
    tabular(label)
    return label


def section_label(text: str) -> QLabel:
    """The heading of a panel."""
    label = QLabel(text)
    label.setObjectName("section")
    return label
