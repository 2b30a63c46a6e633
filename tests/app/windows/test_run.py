"""Starting the window for a while, as a headless check does."""

from pathlib import Path

import pytest
from fakes import FakeSource, small_calibration
from pytestqt.qtbot import QtBot

from livecassi.app.opening import SourceRequest
from livecassi.app.session import Session
from livecassi.app.windows import run
from livecassi.app.windows.run import NoDisplayError, check_display, run_window, view_source
from livecassi.engines import EngineUnavailableError

SHAPE = small_calibration().measurement_shape


@pytest.mark.parametrize(
    ("source", "engine", "code"),
    [
        (FakeSource(SHAPE), "fake", 0),
        (FakeSource(SHAPE), "absent", 1),  # an error and no cube
        (FakeSource(SHAPE, lose_at=30), "fake", 1),  # cubes, then an error
    ],
)
def test_the_exit_code_is_honest(
    qtbot: QtBot, tmp_path: Path, workshop, source: FakeSource, engine: str, code: int
) -> None:
    session = Session(source, small_calibration())
    assert run_window(session, workshop.specs, engine_name=engine, recordings_folder=tmp_path, seconds=0.8) == code
    assert not source.running


def test_without_a_screen_there_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoApplication:
        @staticmethod
        def instance() -> None:
            return None

    monkeypatch.setattr(run, "QApplication", NoApplication)
    monkeypatch.setattr(run.sys, "platform", "linux")
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NoDisplayError, match="QT_QPA_PLATFORM=offscreen"):
        check_display()
    monkeypatch.setenv("DISPLAY", ":9")
    check_display()


def test_an_unknown_engine_is_refused_before_a_window_is_shown(qtbot: QtBot) -> None:
    with pytest.raises(EngineUnavailableError, match="there is no engine 'absent'; choose one of: gap-tv"):
        view_source(SourceRequest(), engine_name="absent", seconds=0.1)


@pytest.mark.parametrize(
    ("options", "words"), [({"rank": "many"}, "rank=many"), ({"colour": "red"}, "no option 'colour'")]
)
def test_options_that_make_no_sense_are_refused_before_a_window_is_shown(options: dict[str, str], words: str) -> None:
    with pytest.raises(EngineUnavailableError, match=words):
        view_source(SourceRequest(height=24, width=20), engine_name="gap-tv", engine_options=options, seconds=0.1)
