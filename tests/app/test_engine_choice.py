"""Which engine runs where nobody named one."""

from dataclasses import replace

import pytest
from fakes import FakeEngine, small_calibration

from livecassi.app.engine_choice import AUTO, chosen_engine
from livecassi.app.engine_list import engine_specs
from livecassi.app.weight_places import FOLDER_VARIABLE
from livecassi.calibration import System
from livecassi.engines import EngineSpec
from livecassi.engines.registry import EngineOption

BENCH = small_calibration()


def spec(name: str, **known: object) -> EngineSpec:
    made = EngineSpec(
        name, name, "CPU", "nothing", "shipped", frozenset(System), lambda calibration, _: FakeEngine(calibration)
    )
    return replace(made, **known)


def specs(**live: object) -> dict[str, EngineSpec]:
    option = EngineOption("Curves.", "8", int)
    return {"gap-tv": spec("gap-tv", options={"rank": option}), "live": spec("live", **live)}


def test_what_was_named_is_taken_as_it_is() -> None:
    assert chosen_engine(specs(), "gap-tv", BENCH) == "gap-tv"
    assert chosen_engine(specs(), "no such engine", BENCH) == "no such engine"


def test_the_live_network_comes_first_where_it_serves_the_bench() -> None:
    assert chosen_engine(specs(), AUTO, BENCH) == "live"


@pytest.mark.parametrize(
    "lacking",
    [
        {"missing": lambda: "openvino is not installed"},
        {"unfit": lambda _: "trained for other bands"},
        {"systems": frozenset({System.DD_CASSI})},
    ],
)
def test_where_it_does_not_gap_tv_runs(lacking: dict[str, object]) -> None:
    assert chosen_engine(specs(**lacking), AUTO, BENCH) == "gap-tv"


def test_options_choose_the_engine_that_knows_them() -> None:
    assert chosen_engine(specs(), AUTO, BENCH, {"rank": "5"}) == "gap-tv"
    assert chosen_engine(specs(), AUTO, BENCH, {"nonsense": "5"}) == "gap-tv"  # which refuses them by name


def test_a_bench_that_no_weights_fit_gets_gap_tv_of_the_real_list(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path_factory.mktemp("none")))
    infrared = replace(BENCH, wavelengths_nm=BENCH.wavelengths_nm + 400)
    assert chosen_engine(engine_specs(), AUTO, infrared) == "gap-tv"
