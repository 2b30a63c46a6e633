"""The look of the wizard: what the theme lacks for tables, progress and traffic lights."""

from enum import Enum

from livecassi.app.windows.theme import ACCENT, AMBER, BACKGROUND, DIM, LINE, PANEL, RAISED, RED, TEXT
from livecassi.calibration.checks import Verdict

GREEN = "#4fbf7b"
PROGRESS = "#2b669c"  # dark enough for the words on it

WIZARD_STYLE = f"""
QWizard, QWizardPage {{ background: {BACKGROUND}; }}
#heading {{ font-size: 15pt; font-weight: 600; }}
#instruction {{ color: {TEXT}; font-size: 11pt; }}
#steps {{ background: {PANEL}; border: 1px solid {LINE}; border-radius: 8px; }}
#stepNow {{ background: {RAISED}; border-radius: 6px; }}
#trouble {{ background: #3a1d22; border: 1px solid #7c2b31; border-radius: 6px; }}
#trouble QLabel {{ background: transparent; }}
QPushButton#capture {{
    background: {ACCENT}; border-color: {ACCENT}; color: {BACKGROUND}; font-weight: 600; padding: 8px 18px;
}}
QPushButton#capture:hover {{ background: #7bbcf0; }}
QPushButton#capture:disabled {{ background: {PANEL}; border-color: {LINE}; color: {DIM}; }}
QTableWidget {{
    background: {BACKGROUND}; border: 1px solid {LINE}; border-radius: 6px; gridline-color: {LINE};
    selection-background-color: {RAISED}; selection-color: {TEXT}; alternate-background-color: {PANEL};
}}
QTableWidget::item {{ padding: 2px 3px; }}
QTableWidget QLineEdit {{ padding: 0 4px; min-height: 0; border-radius: 0; }}
QHeaderView {{ background: {PANEL}; }}
QHeaderView::section {{
    background: {PANEL}; color: {DIM}; border: none; border-bottom: 1px solid {LINE}; padding: 4px 3px;
}}
QTableCornerButton::section {{ background: {PANEL}; border: none; }}
QProgressBar {{ background: {BACKGROUND}; border: 1px solid {LINE}; border-radius: 5px; text-align: center; }}
QProgressBar::chunk {{ background: {PROGRESS}; border-radius: 4px; }}
QListWidget {{ background: {BACKGROUND}; border: 1px solid {LINE}; border-radius: 6px; }}
QListWidget::item {{ padding: 5px 8px; }}
QListWidget::item:selected {{ background: {RAISED}; color: {TEXT}; }}
QRadioButton {{ spacing: 8px; padding: 3px 0; }}
QRadioButton::indicator {{
    width: 13px; height: 13px; border: 1px solid {DIM}; border-radius: 7px; background: {BACKGROUND};
}}
QRadioButton::indicator:checked {{ border: 4px solid {ACCENT}; width: 7px; height: 7px; background: {TEXT}; }}
QRadioButton::indicator:disabled {{ border-color: {LINE}; }}
QRadioButton:disabled, QListWidget:disabled, QLineEdit:disabled {{ color: {DIM}; }}
"""


class PageState(Enum):
    """What a step of the wizard has come to."""

    OPEN = "open"  # something is still to be done
    WORKING = "working"
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    OVERRIDDEN = "overridden"  # failed, and somebody said why to go on
    LEFT_OUT = "left out"

    @property
    def lets_go_on(self) -> bool:
        """Whether the next page may be opened."""
        return self in (PageState.PASS, PageState.WARN, PageState.OVERRIDDEN, PageState.LEFT_OUT)

    @property
    def colour(self) -> str:
        """Of its light."""
        return {
            PageState.PASS: GREEN,
            PageState.WARN: AMBER,
            PageState.FAIL: RED,
            PageState.OVERRIDDEN: AMBER,
        }.get(self, LINE)


def verdict_colour(verdict: Verdict) -> str:
    """Green, amber or red."""
    return {Verdict.PASS: GREEN, Verdict.WARN: AMBER, Verdict.FAIL: RED}[verdict]


def page_state(verdict: Verdict) -> PageState:
    """The state of a page whose checks come to `verdict`."""
    return {Verdict.PASS: PageState.PASS, Verdict.WARN: PageState.WARN, Verdict.FAIL: PageState.FAIL}[verdict]
