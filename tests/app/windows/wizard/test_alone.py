"""The wizard without a live view."""

from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from livecassi.app.opening import SourceKind, SourceRequest
from livecassi.app.windows.wizard.alone import calibrate_in_window
from livecassi.app.windows.wizard.wizard import CalibrationWizard
from livecassi.calibration import System
from livecassi.drivers import SourceUnsupportedError


def test_it_shows_the_wizard_until_it_is_closed(qtbot: QtBot) -> None:
    seen: list[bool] = []

    def close() -> None:
        for widget in QApplication.topLevelWidgets():
            if isinstance(widget, CalibrationWizard) and widget.isVisible():
                seen.append(widget.desk.feed.running)
                widget.close()

    QTimer.singleShot(500, close)
    request = SourceRequest(system=System.DD_CASSI, height=64, width=80)
    assert calibrate_in_window(request) is None
    assert seen == [True]


def test_files_are_refused(qtbot: QtBot, tmp_path: Path) -> None:
    with pytest.raises(SourceUnsupportedError, match="frames_from"):
        calibrate_in_window(SourceRequest(SourceKind.FILE, path=tmp_path))
