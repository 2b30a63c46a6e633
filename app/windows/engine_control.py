"""Choosing an engine and its options from the window, and following what the session makes of it."""

from collections.abc import Mapping

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from livecassi.app.engine_slot import EngineFailedError
from livecassi.app.session import Session, SessionStats
from livecassi.app.windows.engine_options import EngineOptionsDialog
from livecassi.app.windows.engine_panel import EnginePanel
from livecassi.engines import Engine, EngineSpec, build_engine


class EngineControl(QObject):
    """Between the engine panel and the session. `name` is the engine chosen, or the one that runs in its stead.

    The options that an engine was last built with are kept for its next choice while the window lives.
    """

    def __init__(
        self,
        session: Session,
        panel: EnginePanel,
        specs: Mapping[str, EngineSpec],
        name: str,
        options: Mapping[str, str],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.name = name
        self.dialog: EngineOptionsDialog | None = None
        self._session, self._panel, self._specs, self._parent = session, panel, specs, parent
        self._options: dict[str, dict[str, str]] = {name: dict(options)}
        panel.engine_chosen.connect(self.choose)
        panel.options_wanted.connect(self.open_options)

    def adopt(self, session: Session) -> None:
        """Another session: the same engine for its calibration."""
        self._session = session
        self._panel.show_engines(self._specs, session.calibration, self.name)
        self.choose(self.name)

    def options_of(self, name: str) -> dict[str, str]:
        """The options that an engine was last built with; what is not among them has its default."""
        return self._options.get(name, {})

    def choose(self, name: str, options: Mapping[str, str] | None = None) -> None:
        """Build an engine, with its options of last time where none are given; the present one goes on meanwhile."""
        self.name = name
        specs, calibration = self._specs, self._session.calibration
        chosen = dict(self.options_of(name) if options is None else options)

        def build() -> Engine:  # in the builder's thread, perhaps once more after another engine has failed
            engine = build_engine(specs, name, calibration, chosen)
            self._options[name] = chosen
            return engine

        self._session.use_engine(name, build)
        self._panel.choose(name)
        if self.dialog is not None and self.dialog.engine != name:
            self.close_options()

    def open_options(self) -> None:
        """Show the options of the engine chosen."""
        if self.name not in self._specs:
            return
        if self.dialog is None:
            self.dialog = EngineOptionsDialog(self._specs[self.name], self.options_of(self.name), self._parent)
            self.dialog.applied.connect(self._apply)
            self.dialog.finished.connect(self.close_options)
            self._tell_dialog(self._session.stats())
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()

    def close_options(self) -> None:
        """Close the dialog; what was not applied is forgotten."""
        dialog, self.dialog = self.dialog, None
        if dialog is not None:
            dialog.close()
            dialog.deleteLater()

    def watch(self, stats: SessionStats) -> None:
        """Show what runs; where the session went back to another engine, that is the one chosen now."""
        self._panel.show_progress(stats)
        present = stats.building or (stats.next_engine.name if stats.next_engine is not None else "")
        if present != self.name and present in self._specs:
            self.name = present
            self._panel.choose(present)
            self.close_options()
        self._tell_dialog(stats)

    def can_try_again(self, error: EngineFailedError) -> bool:
        """Whether another engine is in the place of the one that failed."""
        return error.engine in self._specs and error.engine != self.name

    def _apply(self) -> None:
        if self.dialog is not None:
            self.choose(self.name, self.dialog.texts)
        self._tell_dialog(self._session.stats())

    def _tell_dialog(self, stats: SessionStats) -> None:
        if self.dialog is None:
            return
        running = stats.next_engine is not None and stats.next_engine.name == self.dialog.engine
        self.dialog.show_state(self.options_of(self.dialog.engine) if running else None, bool(stats.building))
