"""The layout of the window, kept from one start to the next."""

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QMainWindow, QSplitter

from livecassi.app.windows.screen import Screen


class Layout:
    """Saves and restores sizes, docks and the averaging window. Without settings nothing is kept."""

    def __init__(self, settings: QSettings | None, window: QMainWindow, body: QSplitter, screen: Screen) -> None:
        self._settings, self._window, self._body, self._screen = settings, window, body, screen

    def save(self) -> None:
        """Keep the layout as it is now."""
        if self._settings is None:
            return
        self._settings.setValue("window/geometry", self._window.saveGeometry())
        self._settings.setValue("window/state", self._window.saveState())
        self._settings.setValue("window/body", self._body.saveState())
        self._settings.setValue("window/screen", self._screen.saveState())
        self._settings.setValue("view/pin_window", self._screen.pins.window_size)
        self._settings.sync()

    def restore(self) -> None:
        """Bring back what was kept; what cannot be read is left as it is."""
        if self._settings is None:
            return
        for key, restore in (
            ("window/geometry", self._window.restoreGeometry),
            ("window/state", self._window.restoreState),
            ("window/body", self._body.restoreState),
            ("window/screen", self._screen.restoreState),
        ):
            saved = self._settings.value(key)
            if isinstance(saved, QByteArray):
                restore(saved)
        size = str(self._settings.value("view/pin_window", ""))
        if size.isdecimal():
            self._screen.pins.choose_window(int(size))
