"""Choosing an engine and its options from the window, and following what the session makes of it."""

from collections.abc import Mapping

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from livecassi.app.engine_choice import AUTO, build_chosen, chosen_engine, first_steps, wanted_file
from livecassi.app.engine_slot import EngineFailedError
from livecassi.app.session import Session, SessionStats
from livecassi.app.windows.engine_options import EngineOptionsDialog
from livecassi.app.windows.engine_panel import EnginePanel
from livecassi.engines import Engine, EngineSpec


class EngineControl(QObject):
    """Between the engine panel and the session. `name` is the engine chosen, or the one that runs in its stead.

    Where "auto" was asked for, every session gets the engine that is best for it until somebody chooses one.

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
        self._automatic = name == AUTO
        self._asked = dict(options)  # together with "auto"
        self.name = chosen_engine(specs, name, session.calibration, options)
        self.dialog: EngineOptionsDialog | None = None
        self._session, self._panel, self._specs, self._parent = session, panel, specs, parent
        self._options: dict[str, dict[str, str]] = {self.name: dict(options)}
        panel.engine_chosen.connect(self._on_chosen)
        panel.list_opening.connect(self._list)
        panel.options_wanted.connect(lambda: self.open_options())
        panel.cancelled.connect(lambda: self._session.cancel_engine())

    def adopt(self, session: Session) -> None:
        """Another session: the same engine for its calibration, or the best for it where none was chosen."""
        self._session = session
        if not self._automatic:
            self._list()
            self._build(self.name)
            return
        self.name = chosen_engine(self._specs, AUTO, session.calibration, self._asked)
        self._list()
        known = self._specs[self.name].options
        self._build(self.name, {key: text for key, text in self._asked.items() if key in known})

    def options_of(self, name: str) -> dict[str, str]:
        """The options that an engine was last built with; what is not among them has its default."""
        return self._options.get(name, {})

    def choose(self, name: str, options: Mapping[str, str] | None = None) -> None:
        """Build an engine, with its options of last time where none are given; the present one goes on meanwhile."""
        self._automatic = False
        self._build(name, options)

    def _build(self, name: str, options: Mapping[str, str] | None = None) -> None:
        self.name = name
        specs, calibration = self._specs, self._session.calibration
        wanted = AUTO if self._automatic else name
        chosen = dict(self.options_of(name) if options is None else options)

        def build() -> Engine:  # in the builder's thread, perhaps once more after another engine has failed
            engine = build_chosen(specs, wanted, calibration, chosen)
            self._options[engine.info.name] = chosen
            return engine

        self._session.use_engine(name, build, lambda: first_steps(specs, wanted, calibration, chosen))
        self._panel.choose(name)
        if self.dialog is not None and self.dialog.engine != name:
            self.close_options()

    def _list(self) -> None:
        """Files of weights may have come or gone since the list was made."""
        self._panel.show_engines(self._specs, self._session.calibration, self.name)

    def _on_chosen(self, name: str) -> None:
        """An engine that wants a file that it was not given yet is asked for it; the present one goes on."""
        wanted = self.wanted_file(name)
        if wanted and not _is_given(self._specs[name], wanted, self.options_of(name)):
            self._panel.choose(self.name)
            self.open_options(name)
        else:
            self.choose(name)

    def wanted_file(self, name: str) -> str:
        """The option by which an engine must be given a file before it can run; empty for none."""
        return wanted_file(self._specs[name], self._session.calibration) if name in self._specs else ""

    def open_options(self, name: str = "") -> None:
        """Show the options of an engine, or of the one chosen; where it wants a file, that is where to write."""
        name = name or self.name
        if name not in self._specs:
            return
        if self.dialog is not None and self.dialog.engine != name:
            self.close_options()
        if self.dialog is None:
            spec, stats = self._specs[name], self._session.stats()
            runs = stats.next_engine is not None and stats.next_engine.name == name
            wanted = "" if runs else self.wanted_file(name)  # one that runs has what it wants, also if the file went
            reason = spec.unfit(self._session.calibration) if wanted else ""
            self.dialog = EngineOptionsDialog(spec, self.options_of(name), self._parent, reason)
            if wanted:
                self.dialog.fields[wanted].editor.setFocus()
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
        self._tell_dialog(stats)

    def can_try_again(self, error: EngineFailedError) -> bool:
        """Whether another engine is in the place of the one that failed."""
        return error.engine in self._specs and error.engine != self.name

    def _apply(self) -> None:
        if self.dialog is not None:
            self.choose(self.dialog.engine, self.dialog.texts)
        self._tell_dialog(self._session.stats())

    def _tell_dialog(self, stats: SessionStats) -> None:
        if self.dialog is None:
            return
        running = stats.next_engine is not None and stats.next_engine.name == self.dialog.engine
        self.dialog.show_state(self.options_of(self.dialog.engine) if running else None, bool(stats.building))


def _is_given(spec: EngineSpec, key: str, options: Mapping[str, str]) -> bool:
    default = spec.options[key].default
    return options.get(key, default) != default
