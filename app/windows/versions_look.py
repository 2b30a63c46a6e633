"""Tables, tabs and the one button that matters, for the versions of a calibration."""

from livecassi.app.windows.theme import ACCENT, BACKGROUND, DIM, LINE, PANEL, RAISED, TEXT

VERSIONS_STYLE = f"""
QTableWidget {{
    background: {BACKGROUND}; border: 1px solid {LINE}; border-radius: 6px;
    selection-background-color: {RAISED}; selection-color: {TEXT};
}}
QTableWidget::item {{ padding: 2px 8px; border: none; }}
QHeaderView {{ background: {PANEL}; }}
QHeaderView::section {{
    background: {PANEL}; color: {DIM}; border: none; border-bottom: 1px solid {LINE}; padding: 5px 11px;
}}
QPushButton#use {{
    background: {ACCENT}; border-color: {ACCENT}; color: {BACKGROUND}; font-weight: 600; padding: 7px 18px;
}}
QPushButton#use:hover {{ background: #7bbcf0; }}
QPushButton#use:disabled {{ background: {PANEL}; border-color: {LINE}; color: {DIM}; }}
QTabWidget::pane {{ border: none; }}
QTabBar::tab {{ padding: 7px 14px; color: {DIM}; background: transparent; border-bottom: 2px solid transparent; }}
QTabBar::tab:selected {{ color: {TEXT}; border-bottom-color: {ACCENT}; }}
QTabBar::tab:hover {{ color: {TEXT}; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 2px; }}
QScrollBar::handle:horizontal {{ background: {LINE}; border-radius: 3px; min-width: 24px; }}
"""
