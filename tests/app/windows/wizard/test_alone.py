"""The wizard without a live view."""

from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from typer.testing import CliRunner

from livecassi.app.calibrating.places import CALIBRATIONS_VARIABLE
from livecassi.app.commands.calibrate import calibrate_app
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
                seen.append(widget.desk.feed.running and widget.save_page.open_live.isHidden())
                widget.close()

    QTimer.singleShot(500, close)
    request = SourceRequest(system=System.DD_CASSI, height=64, width=80)
    assert calibrate_in_window(request) is None
    assert seen == [True]


def test_a_command_opens_it(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CALIBRATIONS_VARIABLE, str(tmp_path))
    seen: list[tuple[System, tuple[int, int]]] = []

    def leave() -> None:
        for widget in QApplication.topLevelWidgets():
            if isinstance(widget, CalibrationWizard) and widget.isVisible():
                seen.append((widget.start_page.form.chosen_system, widget.desk.rig.source.info.frame_shape))
                widget.close()

    QTimer.singleShot(700, leave)
    result = CliRunner().invoke(calibrate_app, ["wizard", "--system", "sd-cassi", "--size", "64x80"])
    assert result.exit_code == 0, result.output
    assert "nothing was saved" in result.output
    assert seen[0][0] is System.SD_CASSI
    assert seen[0][1][0] == 64


def test_files_are_refused(qtbot: QtBot, tmp_path: Path) -> None:
    with pytest.raises(SourceUnsupportedError, match="frames_from"):
        calibrate_in_window(SourceRequest(SourceKind.FILE, path=tmp_path))
