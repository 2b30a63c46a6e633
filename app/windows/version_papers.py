"""Figures and report of a version, drawn beside the window."""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TypeVar

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from livecassi.app.calibrating.library import Version
from livecassi.app.versions import title
from livecassi.app.windows.background import Background
from livecassi.app.windows.figures_dialog import FiguresDialog, draw_figures
from livecassi.calibration.store import load_calibration

T = TypeVar("T")


class VersionPapers(QObject):
    """`say` tells in a line what is being done, `tell` what went wrong; `figures` is what is looked at."""

    def __init__(self, say: Callable[[str], None], tell: Callable[[Exception], None], parent: QWidget) -> None:
        super().__init__(parent)
        self._say, self._tell, self._parent = say, tell, parent
        self._drawings = 0
        self._pen = Lock()  # pictures and reports share the settings of what draws them
        self.figures: FiguresDialog | None = None

    @property
    def working(self) -> bool:
        """Whether something is being drawn."""
        return self._drawings > 0

    def write_report(self, version: Version, out: Path) -> None:
        """Write the report as PDF."""

        def act() -> Path:
            from livecassi.app.calibration_report import save_report

            save_report(load_calibration(version.path), out)
            return out

        self._draw("Writing the report…", act, lambda path: self._say(f"The report lies in {path}"))

    def show_figures(self, version: Version) -> None:
        """Draw every figure, and show them in the place of earlier ones."""

        def show(figures: dict[str, bytes]) -> None:
            self.close_figures()
            if self._parent.isVisible():
                self.figures = FiguresDialog(title(version), figures, self._parent)
                self.figures.show()
            self._say("")

        self._draw("Drawing…", lambda: draw_figures(load_calibration(version.path)), show)

    def close_figures(self) -> None:
        """They go with the versions."""
        figures, self.figures = self.figures, None
        if figures is not None:
            figures.close()
            figures.deleteLater()

    def _draw(self, what: str, act: Callable[[], T], then: Callable[[T], None]) -> None:
        self._say(what)
        self._drawings += 1

        def in_turn() -> T:
            with self._pen:
                return act()

        def done(value: T | None, error: Exception | None) -> None:
            self._drawings -= 1
            if value is not None:
                then(value)
            elif error is not None:
                self._say("")
                self._tell(error)

        Background(in_turn, done, name="drawing", parent=self)
