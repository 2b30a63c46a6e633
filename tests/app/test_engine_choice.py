"""Which engines can run here, and which one runs where nobody named one."""

from dataclasses import replace

import pytest
from fakes import FakeEngine, small_calibration

from livecassi.app.engine_choice import AUTO, build_chosen, chosen_engine, first_steps, why_not
from livecassi.app.engine_list import engine_specs
from livecassi.app.weight_places import FOLDER_VARIABLE
from livecassi.calibration import Calibration, System
from livecassi.engines import Engine, EngineSpec, EngineUnavailableError
from livecassi.engines.errors import WeightsError
from livecassi.engines.registry import EngineOption, OptionFiles
from livecassi.engines.runtimes.preparation import Preparation

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


def refuse(_calibration: Calibration, _options: object) -> Engine:
    raise WeightsError("the weights are damaged; import them again")


def test_a_file_that_is_named_makes_the_engine_that_takes_it_serve() -> None:
    offered = specs(
        unfit=lambda _: "no weights",
        wanting=lambda _: "weights",
        options={"weights": EngineOption("A file.", "auto", str)},
    )
    assert chosen_engine(offered, AUTO, BENCH) == "gap-tv"
    assert chosen_engine(offered, AUTO, BENCH, {"weights": "mine.safetensors"}) == "live"


def test_a_file_that_is_named_is_prepared_where_those_known_here_do_not_fit() -> None:
    """It may be adapted to the bench, or be of its bands: the engine itself tells."""
    file = EngineOption("A file.", "auto", str, files=OptionFiles("Weights", (".safetensors",)))
    offered = specs(
        unfit=lambda _: "no weights for these bands",
        options={"weights": file, "adapt": EngineOption("Other bands.", "no", str)},
        preparation=lambda _calibration, _options: Preparation("network", lambda _progress: None),
    )
    named = {"weights": "mine.safetensors", "adapt": "yes"}
    assert first_steps(offered, "live", BENCH, named) is not None
    assert first_steps(offered, "live", BENCH, {"adapt": "yes"}) is None
    absent = {**offered, "live": replace(offered["live"], missing=lambda: "openvino is not installed")}
    assert first_steps(absent, "live", BENCH, named) is None


def test_where_the_best_cannot_be_built_the_next_is_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    assert build_chosen(specs(build=refuse), AUTO, BENCH).info.name == "fake"
    assert "the weights are damaged" in caplog.text
    assert "'gap-tv' takes its place" in caplog.text


def test_an_engine_that_was_named_has_no_substitute() -> None:
    with pytest.raises(WeightsError):
        build_chosen(specs(build=refuse), "live", BENCH)


def test_nonsense_is_no_reason_for_another_engine(caplog: pytest.LogCaptureFixture) -> None:
    offered = specs(options={"rank": EngineOption("Curves.", "8", int)})
    with pytest.raises(EngineUnavailableError, match="'live'"):
        build_chosen(offered, AUTO, BENCH, {"rank": "many"})
    assert not caplog.text


def test_an_engine_for_other_systems_says_for_which() -> None:
    assert why_not(spec("dual", systems=frozenset({System.DD_CASSI})), BENCH) == (
        f"made for dd-cassi; this calibration is for {BENCH.system}"
    )
