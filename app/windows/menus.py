"""The menus, with every keyboard shortcut beside what it does."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu


@dataclass(frozen=True, slots=True)
class MenuActs:
    """What the menus set off."""

    open_recording: Callable[[], None]
    open_measurement: Callable[[], None]
    open_bench: Callable[[], None]
    open_calibration: Callable[[], None]
    calibrate: Callable[[], None]
    versions: Callable[[], None]
    restart: Callable[[], None]
    close: Callable[[], object]
    choose_view: Callable[[str], None]
    step_band: Callable[[int], None]
    toggle_overlay: Callable[[], None]
    clear_pins: Callable[[], None]
    fit: Callable[[], None]
    toggle_play: Callable[[], None]
    toggle_record: Callable[[], None]
    check_drift: Callable[[], None]
    about: Callable[[], None]


def build_menus(window: QMainWindow, acts: MenuActs, log_action: QAction) -> dict[str, QAction]:
    """Fill the menu bar; returns the actions by their plain text."""
    actions: dict[str, QAction] = {}

    def add(menu: QMenu, text: str, act: Callable[[], object], keys: str = "") -> None:
        action = QAction(text, window)
        if keys:
            action.setShortcut(QKeySequence(keys))
        action.triggered.connect(lambda _checked=False: act())
        menu.addAction(action)
        actions[text.replace("&", "").rstrip("…")] = action

    bar = window.menuBar()
    file = bar.addMenu("&File")
    add(file, "Open &recording…", acts.open_recording, "Ctrl+O")
    add(file, "Open &measurement…", acts.open_measurement, "Ctrl+Shift+O")
    add(file, "Simulated &bench…", acts.open_bench, "Ctrl+B")
    file.addSeparator()
    add(file, "Open &calibration for this source…", acts.open_calibration, "Ctrl+K")
    add(file, "Ca&librate…", acts.calibrate, "Ctrl+Shift+K")
    add(file, "&Versions of the calibration…", acts.versions, "Ctrl+L")
    add(file, "Re&start source", acts.restart, "F5")
    file.addSeparator()
    add(file, "&Quit", acts.close, "Ctrl+Q")
    capture = bar.addMenu("&Capture")
    add(capture, "&Play or pause", acts.toggle_play, "Space")
    add(capture, "&Record or stop", acts.toggle_record, "R")
    capture.addSeparator()
    add(capture, "Check whether the &mask has moved", acts.check_drift, "Ctrl+M")
    view = bar.addMenu("&View")
    add(view, "&Colour", lambda: acts.choose_view("colour"), "1")
    add(view, "&Band", lambda: acts.choose_view("band"), "2")
    add(view, "Raw &frame", lambda: acts.choose_view("raw"), "3")
    add(view, "&Spread, where an engine tells it", lambda: acts.choose_view("spread"), "4")
    view.addSeparator()
    add(view, "Previous band", lambda: acts.step_band(-1), "Left")
    add(view, "Next band", lambda: acts.step_band(1), "Right")
    view.addSeparator()
    add(view, "&Saturation overlay", acts.toggle_overlay, "S")
    add(view, "Clear &pins", acts.clear_pins, "Ctrl+Backspace")
    add(view, "Fit picture", acts.fit, "Home")
    log_action.setText("&Log")
    log_action.setShortcut(QKeySequence("L"))
    view.addAction(log_action)
    add(bar.addMenu("&Help"), "&About livecassi", acts.about)
    return actions
