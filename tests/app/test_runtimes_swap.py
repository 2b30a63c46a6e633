"""The live view while a network is prepared for another runtime: frames go on, the quicker engine takes over."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEngine, FakeSource, small_calibration
from weight_files import save_pg_svrt

from livecassi.app.engine_choice import build_chosen, first_steps
from livecassi.app.engine_slot import FirstSteps
from livecassi.app.result import Result
from livecassi.app.session import Session
from livecassi.calibration import Calibration, CalibrationHeader, System
from livecassi.engines import EngineInfo
from livecassi.engines.errors import PreparationError
from livecassi.engines.networks import find_network
from livecassi.engines.networks.engine_spec import network_engine
from livecassi.engines.runtimes.cache_folder import CACHE_VARIABLE
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Offer, Place
from livecassi.engines.runtimes.preparation import Progress
from livecassi.engines.weights import read_card

SMALL = small_calibration()


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for a condition that another thread brings about."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the awaited condition did not come about"
        time.sleep(0.002)


class Counted:
    """A session whose frames come one at a time, each after the result of the one before was taken."""

    def __init__(self, session: Session, source: FakeSource) -> None:
        self.session, self.source = session, source
        self.results: list[Result] = []
        self.runtimes: list[str] = []  # of the engine behind each result

    def step(self, timeout_s: float = 20.0) -> Result:
        """One frame through the session, to its result."""
        assert self.source.gate is not None
        self.source.gate.release()
        wanted = len(self.results)
        found: list[Result] = []

        def came() -> bool:
            result = self.session.take_result(0.02)
            if result is not None and result.frame.index == wanted and (result.cube is not None or not self._engine()):
                found.append(result)
            return bool(found)

        until(came, timeout_s)
        self.results.append(found[0])
        self.runtimes.append(self._engine())
        return found[0]

    def _engine(self) -> str:
        info = self.session.stats().present_engine
        return "" if info is None else info.runtime.split(" on ")[0]


def fake(runtime: str) -> FakeEngine:
    engine = FakeEngine(SMALL, "net")
    engine.info = EngineInfo("net", f"{runtime} on CPU", SMALL.id)
    return engine


@pytest.fixture
def counted() -> Iterator[Counted]:
    source = FakeSource(SMALL.measurement_shape, gated=True)
    with Session(source, SMALL) as session:
        yield Counted(session, source)


def test_no_frame_is_lost_when_a_prepared_engine_takes_over(counted: Counted) -> None:
    session, prepared = counted.session, threading.Event()

    def prepare(progress: Progress) -> None:
        progress.say("building", 0.25)
        assert prepared.wait(20)

    steps = FirstSteps(prepare, lambda: fake("slow"))
    session.use_engine("net", lambda: fake("fast"), lambda: steps)
    until(lambda: session.stats().preparing == "building, 25 %")
    session.start()
    for _ in range(5):
        counted.step()
    assert session.stats().building == "net"
    prepared.set()
    until(lambda: not session.stats().building)
    for _ in range(5):
        counted.step()
    assert counted.runtimes == ["slow"] * 5 + ["fast"] * 5
    assert [result.frame.index for result in counted.results] == list(range(10))
    assert all(result.has_cube_of(result.frame) for result in counted.results)
    stats = session.stats()
    assert (stats.frames, stats.lost, stats.replaced, stats.error) == (10, 0, 0, None)


def test_a_preparation_that_fails_costs_no_frame(counted: Counted) -> None:
    session = counted.session
    begun, fail = threading.Event(), threading.Event()

    def prepare(progress: Progress) -> None:
        begun.set()
        assert fail.wait(20)
        raise PreparationError("no space to prepare a network")

    session.use_engine("net", lambda: fake("fast"), lambda: FirstSteps(prepare, lambda: fake("slow")))
    assert begun.wait(20)
    session.start()
    counted.step()
    fail.set()
    until(lambda: not session.stats().building)
    counted.step()
    assert counted.runtimes == ["slow", "slow"]
    assert str(session.take_error()) == "no space to prepare a network; 'net' goes on"
    assert (session.stats().frames, session.stats().replaced) == (2, 0)


def test_closing_gives_a_preparation_up(counted: Counted) -> None:
    ended = threading.Event()

    def prepare(progress: Progress) -> None:
        try:
            while True:
                progress.say("building")
                time.sleep(0.005)
        finally:
            ended.set()

    counted.session.use_engine("net", lambda: fake("fast"), lambda: FirstSteps(prepare))
    until(lambda: counted.session.stats().preparing == "building")
    counted.session.close()
    assert ended.is_set()


# ---- the real thing ------------------------------------------------------------------------------------------------


def drawn_bench() -> Calibration:
    mask = (np.random.default_rng(5).random((20, 36 + 58)) > 0.5).astype(np.float32)
    nanometres = np.linspace(410, 700, 30, dtype=np.float32)
    header = CalibrationHeader(system=System.DD_CASSI, name="bench")
    return Calibration(header, nanometres, mask, 2 * np.arange(30, dtype=np.float32), np.ones(30))


@pytest.mark.slow
def test_pg_svrt_begins_in_torch_and_goes_over_to_openvino(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "kept"))
    bench, weights = drawn_bench(), save_pg_svrt(tmp_path / "random.safetensors", System.DD_CASSI)

    class Found:
        path, card = weights, read_card(weights)

    offered = tuple(
        Offer(runtime, Place.CPU, True, "ready", "1") for runtime in (RuntimeName.TORCH, RuntimeName.OPENVINO)
    )
    specs = {"pg-svrt": network_engine(find_network("pg-svrt"), "dear", lambda *_: [Found()], offered=lambda: offered)}
    source = FakeSource(bench.measurement_shape, gated=True)
    with Session(source, bench) as session:
        at = Counted(session, source)
        session.use_engine(
            "pg-svrt",
            lambda: build_chosen(specs, "pg-svrt", bench, {}),
            lambda: first_steps(specs, "pg-svrt", bench, {}),
        )
        until(lambda: session.stats().next_engine is not None)
        session.start()
        while session.stats().building:
            at.step(60)
        assert session.stats().error is None
        for _ in range(3):
            at.step(60)

    kinds = [runtime.split()[0] for runtime in at.runtimes]
    assert kinds == sorted(kinds, key=["torch", "OpenVINO"].index)
    assert kinds[0] == "torch"
    assert kinds[-3:] == ["OpenVINO"] * 3
    stats = session.stats()
    assert (stats.lost, stats.replaced) == (0, 0)
    assert stats.frames == len(at.results)
    assert all(result.has_cube_of(result.frame) for result in at.results)
