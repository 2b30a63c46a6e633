"""Which engine a window runs where nobody chose one, from source to source."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeEngine, FakeSource, small_calibration
from pytestqt.qtbot import QtBot

from livecassi.app.engine_choice import AUTO
from livecassi.app.session import Session
from livecassi.app.windows.main_window import MainWindow
from livecassi.calibration import Calibration, System
from livecassi.engines import Engine, EngineOption, EngineSpec
from livecassi.engines.errors import WeightsError

SINGLE, DUAL = small_calibration(), small_calibration(System.DD_CASSI)
STRENGTH = {"strength": EngineOption("How strongly.", "1", int)}
PRECISION = {**STRENGTH, "precision": EngineOption("How exactly.", "fp32", str)}
Build = Callable[[Calibration, Mapping[str, object]], Engine]


class Shop:
    """Two engines under the names of the preferred; `live` serves single dispersers. `wishes`: of each build."""

    def __init__(self) -> None:
        self.wishes: list[tuple[str, dict[str, object]]] = []
        self.live_is_damaged = False
        every = frozenset(System)
        gap_tv = EngineSpec("gap-tv", "Plain", "CPU", "10 ms", "none needed", every, self._build("gap-tv"), STRENGTH)
        live = replace(gap_tv, name="live", build=self._build("live"), options=PRECISION)
        self.specs = {"gap-tv": gap_tv, "live": replace(live, systems=frozenset({System.SD_CASSI}))}

    def _build(self, name: str) -> Build:
        def build(calibration: Calibration, options: Mapping[str, object]) -> Engine:
            if name == "live" and self.live_is_damaged:
                raise WeightsError("the weights are damaged; import them again")
            self.wishes.append((name, dict(options)))
            return FakeEngine(calibration, name)

        return build


class Bench:
    """A window over the shop's engines, with "auto"; `open` is what an operator does to see another source."""

    def __init__(self, shop: Shop, folder: Path, **options: str) -> None:
        self._next = DUAL
        self.window = MainWindow(
            session(SINGLE),
            shop.specs,
            engine_name=AUTO,
            recordings_folder=folder,
            engine_options=options,
            open_session=lambda _: session(self._next),
        )
        self.window.show()

    def open(self, calibration: Calibration) -> None:
        self._next = calibration
        menu = {action.text(): action for action in self.window.menuBar().actions()[0].menu().actions()}
        menu["Open &recording…"].trigger()


def session(calibration: Calibration) -> Session:
    return Session(FakeSource(calibration.measurement_shape), calibration)


def runs(qtbot: QtBot, window: MainWindow, name: str) -> None:
    def settled() -> bool:
        engine = window.session.stats().present_engine
        return engine is not None and engine.name == name == window.engines.combo.currentData()

    qtbot.waitUntil(settled)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def make_bench(
    qtbot: QtBot, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Bench]]:
    monkeypatch.setattr(
        "livecassi.app.windows.source_dialogs.QFileDialog.getExistingDirectory", lambda *_: str(tmp_path)
    )
    made: list[Bench] = []

    def make(**options: str) -> Bench:
        made.append(Bench(shop, tmp_path, **options))
        return made[-1]

    yield make
    for bench in made:
        with qtbot.waitSignal(bench.window.closed, timeout=10_000):
            bench.window.close()
        bench.window.deleteLater()


def test_every_source_gets_the_engine_that_is_best_for_it(
    qtbot: QtBot, shop: Shop, make_bench: Callable[..., Bench]
) -> None:
    bench = make_bench(strength="3", precision="bf16")
    runs(qtbot, bench.window, "live")
    bench.open(DUAL)
    runs(qtbot, bench.window, "gap-tv")
    bench.open(SINGLE)
    runs(qtbot, bench.window, "live")
    asked = {"strength": 3, "precision": "bf16"}
    assert shop.wishes == [("live", asked), ("gap-tv", {"strength": 3}), ("live", asked)]
    assert bench.window.errors_told == 0


def test_an_engine_that_somebody_chose_stays(qtbot: QtBot, shop: Shop, make_bench: Callable[..., Bench]) -> None:
    bench = make_bench()
    runs(qtbot, bench.window, "live")
    bench.window.choose_engine("gap-tv")
    runs(qtbot, bench.window, "gap-tv")
    bench.open(SINGLE)
    qtbot.waitUntil(lambda: len(shop.wishes) == 3)
    assert shop.wishes[-1][0] == "gap-tv"
    runs(qtbot, bench.window, "gap-tv")


def test_damaged_weights_leave_a_window_with_the_next_best(
    qtbot: QtBot, shop: Shop, make_bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    shop.live_is_damaged = True
    bench = make_bench()
    runs(qtbot, bench.window, "gap-tv")
    assert bench.window.engine_control.name == "gap-tv"
    assert bench.window.errors_told == 0
    assert "the weights are damaged" in caplog.text
