"""A window over fakes, and its orderly end."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeEngine, FakeSource, FakeWindowEngine, small_calibration
from pytestqt.qtbot import QtBot

from livecassi.app.session import Session
from livecassi.app.windows.main_window import MainWindow
from livecassi.calibration import Calibration, Measurement, System
from livecassi.engines import Cube, EngineOption, EngineSpec

MakeWindow = Callable[..., MainWindow]


class SeenEngine(FakeEngine):
    """Remembers which frames it was given."""

    def __init__(self, calibration: Calibration, name: str = "fake") -> None:
        super().__init__(calibration, name)
        self.seen: list[int] = []

    def reconstruct(self, measurement: Measurement) -> Cube:
        cube = super().reconstruct(measurement)
        self.seen.append(measurement.frame_index)
        return cube


def parse_strength(text: str) -> int:
    """A whole number from 1 to 9."""
    if not text.isdecimal() or not 1 <= int(text) <= 9:
        raise ValueError(f"found '{text}', expected 1 to 9")
    return int(text)


NET_OPTIONS = {
    "hop": EngineOption("New frames per pass.", "1", int, ("1", "2", "3")),
    "output": EngineOption("Which frame's cube is shown.", "latest", str, ("latest", "centre")),
    "noise_strength": EngineOption("How strongly noise is smoothed, 1 to 9.", "5", parse_strength),
}


class Workshop:
    """Engines to choose from; `gate` holds back the building of `slow`; `built` keeps what was made.

    `net` looks at three frames and has options; `nets` keeps those built and `wishes` the options of each. It says that
    it runs with `net_weights`.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.nets: list[FakeWindowEngine] = []
        self.wishes: list[dict[str, object]] = []
        self.net_is_broken = False
        self.net_weights = ""
        self.before_pass: Callable[[list[int]], object] = lambda frames: None
        self.built: dict[str, SeenEngine] = {}
        everything = frozenset(System)
        self.specs = {
            name: EngineSpec(name, f"The {name} engine", "nothing", "10 ms", "none needed", systems, build, {}, missing)
            for name, systems, build, missing in (
                ("fake", everything, self._make("fake"), lambda: ""),
                ("other", everything, self._make("other"), lambda: ""),
                ("slow", everything, self._make("slow", self.gate), lambda: ""),
                ("absent", everything, self._make("absent"), lambda: "no graphics card was found"),
                ("dual", frozenset({System.DD_CASSI}), self._make("dual"), lambda: ""),
            )
        }
        self.specs["net"] = EngineSpec(
            "net", "The net", "nothing", "10 ms", "shipped", everything, self._make_net, NET_OPTIONS
        )

    def _make_net(self, calibration: Calibration, options: Mapping[str, object]) -> FakeWindowEngine:
        if self.net_is_broken:
            raise RuntimeError("the net has a hole")
        hop, centre = int(str(options["hop"])), options["output"] == "centre"
        self.nets.append(FakeWindowEngine(calibration, "net", hop=hop, centre=centre, before_pass=self.before_pass))
        if self.net_weights:
            self.nets[-1].info = replace(self.nets[-1].info, options=(("weights", self.net_weights),))
        self.wishes.append(dict(options))
        return self.nets[-1]

    def _make(self, name: str, gate: threading.Event | None = None) -> Callable[..., FakeEngine]:
        def build(calibration: Calibration, _options: object) -> FakeEngine:
            assert gate is None or gate.wait(10)
            self.built[name] = SeenEngine(calibration, name)
            return self.built[name]

        return build


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    made = Workshop()
    yield made
    made.gate.set()


@pytest.fixture
def make_window(qtbot: QtBot, tmp_path: Path, workshop: Workshop) -> Iterator[MakeWindow]:
    windows: list[MainWindow] = []

    def make(source: FakeSource | None = None, *, engine_name: str = "fake", **more: object) -> MainWindow:
        calibration = small_calibration()
        session = Session(source or FakeSource(calibration.measurement_shape), calibration)
        window = MainWindow(
            session, workshop.specs, engine_name=engine_name, recordings_folder=tmp_path / "recordings", **more
        )
        windows.append(window)
        window.show()
        return window

    yield make
    workshop.gate.set()
    for window in windows:
        shut(qtbot, window)


def shut(qtbot: QtBot, window: MainWindow) -> None:
    """Close a window as an operator does and wait until all has stopped; closing twice is fine."""
    if window.isVisible():
        with qtbot.waitSignal(window.closed, timeout=10_000):
            window.close()
    window.deleteLater()
