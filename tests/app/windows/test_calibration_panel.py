"""The calibration panel: what it says of the calibration in use and of the place of the mask."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import FakeEngine, FakeSource, small_calibration
from PySide6.QtWidgets import QInputDialog
from pytestqt.qtbot import QtBot

from livecassi.app.drift_watch import DriftReport, DriftState
from livecassi.app.notices import notice
from livecassi.app.opening import SourceKind, SourceRequest
from livecassi.app.result import Result
from livecassi.app.session import Session, SessionState
from livecassi.app.windows.calibration_panel import CalibrationPanel
from livecassi.app.windows.main_window import MainWindow
from livecassi.app.windows.theme import AMBER, DIM, RED, TEXT
from livecassi.calibration import Calibration, Corrector, MeasurementFlag
from livecassi.calibration.checks import Check
from livecassi.calibration.drift import Drift, DriftKind
from livecassi.calibration.record import CalibrationRecord
from livecassi.calibration.store import save_calibration

MakeWindow = Callable[..., MainWindow]
SECOND_NS = 1_000_000_000


@pytest.fixture
def panel(qtbot: QtBot) -> CalibrationPanel:
    made = CalibrationPanel()
    qtbot.addWidget(made)
    made.resize(244, 160)
    return made


def seen(across: float | None, along: float | None, kind: DriftKind = DriftKind.SCENE) -> Drift:
    return Drift(kind, along, across, 0.07, 0.015, 0.9)


def known(drift: Drift, **more: object) -> DriftState:
    return DriftState(DriftReport(drift, 3, 5 * SECOND_NS), **more)


def made(created: str, record: CalibrationRecord | None = None) -> Calibration:
    plain = small_calibration()
    return replace(plain, header=plain.header.model_copy(update={"created": created, "record": record}))


def check(value: float) -> Check:
    return Check(name="registration", value=value, unit="px", limit=0.1, fail_limit=0.25, advice="capture it again")


@pytest.mark.parametrize(
    ("drift", "text", "colour"),
    [
        (seen(0.03, -0.02), "0.03 px across · 0.02 px along · scene 12 s ago", TEXT),
        (seen(-0.12, 0.02), "0.12 px across · 0.02 px along · scene 12 s ago", AMBER),
        (seen(0.31, 0.02), "0.31 px across · 0.02 px along · scene 12 s ago", RED),
        (seen(0.03, 0.3), "0.30 px along · 0.03 px across · scene 12 s ago", AMBER),
        (seen(0.12, 0.3), "0.12 px across · 0.30 px along · scene 12 s ago", AMBER),
        (seen(0.12, 0.3, DriftKind.LINE), "0.30 px along · 0.12 px across · line 12 s ago", RED),
        (seen(0.4, 0.5), "0.40 px across · 0.50 px along · scene 12 s ago", RED),
        (seen(0.03, None, DriftKind.WHITE), "0.03 px across · along unknown · white 12 s ago", TEXT),
        (seen(None, 0.02, DriftKind.LINE), "across unknown · 0.02 px along · line 12 s ago", DIM),
        (seen(None, None), "cannot tell · scene 12 s ago", DIM),
    ],
)
def test_the_place_of_the_mask(panel: CalibrationPanel, drift: Drift, text: str, colour: str) -> None:
    panel.show_drift(known(drift), 17 * SECOND_NS)
    assert (panel.drift_text, panel.drift_colour) == (text, colour)


def test_what_is_said_before_and_between_checks(panel: CalibrationPanel) -> None:
    for state, text in (
        (DriftState(), "not checked yet"),
        (DriftState(watching=False), "not watched"),
        (DriftState(checking=True), "looking…"),
        (DriftState(problem="no frame has come yet"), "the check failed"),
        (known(seen(0.03, 0.02), checking=True), "0.03 px across · 0.02 px along · looking again…"),
    ):
        panel.show_drift(state, 17 * SECOND_NS)
        assert panel.drift_text == text
        assert panel.check.isEnabled() != state.checking


def test_the_calibration_its_age_and_its_verdict(panel: CalibrationPanel) -> None:
    last_week = datetime.now(UTC) - timedelta(days=6, minutes=1)
    good = made(last_week.isoformat(), CalibrationRecord(checks=(check(0.05),)))
    panel.show_calibration(good)
    assert panel.calibration_text == f"small · {last_week:%Y-%m-%d} · 6 days old · {good.id[:8]} · passed"
    panel.show_calibration(made("", CalibrationRecord(checks=(check(0.05), check(0.2)))))
    assert panel.calibration_text.endswith("warnings")
    assert "undated" in panel.calibration_text
    panel.show_calibration(made("2026-11-02T10:00:00+00:00", CalibrationRecord(checks=(check(0.7),))))
    assert panel.calibration_text.endswith("failed")
    panel.show_calibration(small_calibration())
    assert panel.calibration_text.endswith("not measured")


def test_long_words_do_not_widen_the_panel(panel: CalibrationPanel) -> None:
    panel.show_calibration(small_calibration())
    panel.show_drift(DriftState(), 0)
    narrow = panel.minimumSizeHint().width()
    long = small_calibration()
    header = long.header.model_copy(update={"name": "the bench in the cellar, before the move to the new building"})
    panel.show_calibration(replace(long, header=header))
    panel.show_drift(known(seen(0.31, None, DriftKind.WHITE)), 17 * SECOND_NS)
    assert panel.minimumSizeHint().width() <= max(narrow, 212)


def test_the_buttons(qtbot: QtBot, panel: CalibrationPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    panel.show_calibration(small_calibration())
    with qtbot.waitSignals([panel.calibrate_pressed, panel.versions_pressed]):
        panel.calibrate.click()
        panel.versions.click()
    asked: list[tuple[str, float]] = []
    panel.check_pressed.connect(lambda kind, nm: asked.append((kind, nm)))
    answers = iter([(500.0, True), (0.0, False)])
    monkeypatch.setattr(QInputDialog, "getDouble", lambda *_: next(answers))
    scene, white, line = panel.check.menu().actions()
    for action in (scene, white, line, line):
        action.trigger()
    assert asked == [("scene", 0.0), ("white", 0.0), ("line", 500.0)]


def test_a_check_from_the_window_is_told_in_the_panel(qtbot: QtBot, make_window: MakeWindow) -> None:
    window = make_window()
    qtbot.waitUntil(lambda: window.session.newest_frame is not None)
    assert window.calibration.calibration_text.startswith("small")
    window.calibration.check_pressed.emit(DriftKind.SCENE, 0.0)
    qtbot.waitUntil(lambda: window.calibration.drift_text.startswith("cannot tell"))  # frames of one grey value
    window.calibration.check_pressed.emit(DriftKind.LINE, 1200.0)
    assert window.errors_told == 1


def test_an_alarm_is_told_over_the_picture(make_window: MakeWindow) -> None:
    calibration = small_calibration()
    window = make_window(FakeSource(calibration.measurement_shape, gated=True))
    stats = window.session.stats()
    source = FakeSource(calibration.measurement_shape)
    engine = FakeEngine(calibration)
    frame = source.frame(0)
    cube = engine.reconstruct(Corrector(calibration).correct(frame))
    shown = Result(frame, MeasurementFlag.NONE, cube, 1.0)
    calm = replace(stats, building="", present_engine=engine.info)
    assert notice(calm, shown) == ""
    alarmed = replace(calm, drift=replace(calm.drift, alarm=seen(-0.31, 0.02)))
    assert notice(alarmed, shown).startswith("The mask moved 0.31 px across: spectra are wrong.")
    both = replace(calm, drift=replace(calm.drift, alarm=seen(0.31, 0.4, DriftKind.LINE)))
    assert "0.31 px across and 0.40 px along" in notice(both, shown)


def test_a_calibration_of_another_camera_does_not_cost_the_session_of_this_one(
    qtbot: QtBot, make_window: MakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = small_calibration()
    header = foreign.header.model_copy(update={"camera_serial": "G-2"})
    save_calibration(replace(foreign, header=header), tmp_path / "foreign.h5")
    opened: list[SourceRequest] = []

    def open_session(request: SourceRequest) -> Session:
        opened.append(request)
        raise AssertionError("the camera must not be closed and opened again for this file")

    monkeypatch.setattr(
        "livecassi.app.windows.source_dialogs.QFileDialog.getOpenFileName",
        lambda *_: (str(tmp_path / "foreign.h5"), ""),
    )
    camera = SourceRequest(SourceKind.CAMERA, serial="F-1")
    window = make_window(open_session=open_session, request=camera)
    qtbot.waitUntil(lambda: window.session.stats().frames > 0)
    menu = {action.text(): action for action in window.menuBar().actions()[0].menu().actions()}
    menu["Open &calibration for this source…"].trigger()
    qtbot.waitUntil(lambda: "serial number F-1, calibrated was G-2" in window.errors.message)
    assert not opened
    assert window.session.stats().state is SessionState.RUNNING
