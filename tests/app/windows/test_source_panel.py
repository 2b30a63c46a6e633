"""The source panel: what a source is, and settings that it could not take."""

from dataclasses import replace

from fakes import FakeSource
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from livecassi.app.session import SessionState
from livecassi.app.windows.source_panel import SourcePanel
from livecassi.drivers import SourceSettings


def texts(panel: SourcePanel) -> list[str]:
    return [label.text() for label in panel.findChildren(QLabel)]


def test_a_setting_that_was_taken_is_not_repeated_and_one_that_was_not_is_said(qtbot: QtBot) -> None:
    panel = SourcePanel()
    qtbot.addWidget(panel)
    panel.show_source(FakeSource((4, 6)).info)
    before = texts(panel)
    panel.show_settings(SourceSettings(2500.0, 0.0), SourceSettings(exposure_us=2500.0))
    assert texts(panel) == before
    panel.show_settings(SourceSettings(2000.0, 0.0), SourceSettings(exposure_us=2500.0))
    assert "2.5 ms was asked, 2 ms is set" in texts(panel)


def test_a_replay_is_not_live(qtbot: QtBot) -> None:
    panel = SourcePanel()
    qtbot.addWidget(panel)
    info = FakeSource((4, 6)).info
    panel.show_source(info)
    panel.show_state(SessionState.RUNNING)
    assert "live" in texts(panel)
    panel.show_source(replace(info, kind="replay"))
    panel.show_state(SessionState.RUNNING)
    assert "playing a file" in texts(panel)
