"""Starting the window: the application, its look, and an end by itself for headless checks."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication

from livecassi.app.engine_choice import AUTO, chosen_engine
from livecassi.app.engine_list import engine_specs as listed_engines
from livecassi.app.engine_list import runtimes_here
from livecassi.app.opening import SourceRequest, open_session
from livecassi.app.session import Session
from livecassi.app.windows.main_window import MainWindow
from livecassi.app.windows.theme import apply_theme
from livecassi.drivers import LivecassiError
from livecassi.engines import EngineError, EngineSpec
from livecassi.engines.registry import find_spec, parsed_options

log = logging.getLogger(__name__)


class NoDisplayError(LivecassiError):
    """There is no screen to show a window on."""


def run_window(
    session: Session,
    engine_specs: Mapping[str, EngineSpec],
    *,
    engine_name: str,
    recordings_folder: Path,
    open_session: Callable[[SourceRequest], Session] | None = None,
    engine_options: Mapping[str, str] | None = None,
    request: SourceRequest | None = None,
    settings: QSettings | None = None,
    seconds: float | None = None,
) -> int:
    """Show `session` until the window is closed, or for `seconds`; the session is closed with it.

    Returns 0; with `seconds` only if at least one cube was shown and no error came, else 1.
    Raises `NoDisplayError`.
    """
    check_display()
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        application = QApplication(["livecassi"])
    application.setApplicationName("livecassi")
    application.setDesktopFileName("livecassi")
    application.setQuitOnLastWindowClosed(False)
    apply_theme(application)
    window = MainWindow(
        session,
        engine_specs,
        engine_name=engine_name,
        recordings_folder=recordings_folder,
        open_session=open_session,
        engine_options=engine_options,
        request=request,
        settings=settings,
    )
    window.closed.connect(application.quit)
    window.show()
    if seconds is not None:
        QTimer.singleShot(round(seconds * 1000), window.close)
    before = signal.signal(signal.SIGINT, lambda *_: window.close())
    try:
        application.exec()
    finally:
        signal.signal(signal.SIGINT, before)
    if seconds is None:
        return 0
    if not window.cubes_shown or window.errors_told:
        log.error("%d cubes were shown and %d errors told", window.cubes_shown, window.errors_told)
        return 1
    return 0


def view_source(
    request: SourceRequest,
    *,
    engine_name: str,
    engine_options: Mapping[str, str] | None = None,
    recordings_folder: Path | None = None,
    seconds: float | None = None,
) -> int:
    """Open a source and show it; what `livecassi view` does. Raises `LivecassiError` before a window is shown."""
    check_display()
    threading.Thread(target=runtimes_here, name="runtimes", daemon=True).start()  # known before the list is shown
    specs = listed_engines()
    options = engine_options or {}
    if engine_name != AUTO:  # nonsense is refused before a source is opened and a window is shown
        parsed_options(find_spec(specs, engine_name), options)
    session = open_session(request)
    try:
        parsed_options(find_spec(specs, chosen_engine(specs, engine_name, session.calibration, options)), options)
    except EngineError:
        session.close()
        raise
    return run_window(
        session,
        specs,
        engine_name=engine_name,
        recordings_folder=recordings_folder or Path(platformdirs.user_documents_dir()) / "livecassi",
        open_session=open_session,
        engine_options=engine_options,
        request=request,
        settings=QSettings("livecassi", "livecassi"),
        seconds=seconds,
    )


def check_display() -> None:
    """Raises `NoDisplayError` where Qt would end the program for want of a screen."""
    if sys.platform != "linux" or QApplication.instance() is not None:
        return
    if not any(os.environ.get(name) for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")):
        raise NoDisplayError(
            "no screen was found (neither DISPLAY nor WAYLAND_DISPLAY is set); start livecassi on a desktop, "
            "with xvfb-run, or with QT_QPA_PLATFORM=offscreen"
        )
