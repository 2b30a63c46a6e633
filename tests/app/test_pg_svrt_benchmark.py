"""`livecassi benchmark pg-svrt` on tiny scenes: every table, every figure, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from livecassi.app.commands.benchmark import benchmark_app
from livecassi.app.pg_svrt_benchmark import Plan, parse_sizes, parse_tiles, usual_sizes
from livecassi.calibration import System
from livecassi.engines import EngineError, EngineMismatchError
from livecassi.engines.networks.drawn import save_drawn_weights

QUICK = ["pg-svrt", "--quick", "--device", "cpu", "--threads", "1"]


def test_quick_prints_every_table_and_writes_every_figure(tmp_path: Path) -> None:
    threads, report_file = torch.get_num_threads(), tmp_path / "report.json"
    result = CliRunner().invoke(
        benchmark_app, [*QUICK, "--system", "pmvis", "--json", str(report_file)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    for title in (
        "random weights of a fixed seed",
        "2,476,966 parameters",
        "28.18",
        "literal reading",
        "Time and peak memory by size",
        "Precision",
        "Tiles against the whole frame",
        "The engine, frame by frame",
        "Memory floor",
    ):
        assert title in result.output
    assert torch.get_num_threads() == threads

    report = json.loads(report_file.read_text())
    assert (report["system"], report["machine"]["threads"], report["rounds"]) == ("pmvis", 1, 1)
    assert [(cost["height"], cost["width"]) for cost in report["costs"]] == [(256, 256), (32, 160)]
    assert (report["comparison"]["height"], report["comparison"]["width"]) == (32, 160)
    assert report["comparison"]["difference"]["psnr_db"] > 80
    for row in report["sizes"]:
        assert row["timing"]["best_s"] <= row["timing"]["median_s"]
        assert row["seconds_per_megapixel"] == pytest.approx(
            row["timing"]["best_s"] * 1e6 / row["height"] / row["width"]
        )
        assert 0 < row["memory"]["start"] < row["memory"]["peak"]
    exact, half = report["passes"]
    assert (exact["precision"], half["precision"], exact["difference"]) == ("fp32", "bf16", None)
    assert half["difference"]["psnr_db"] > 45
    assert half["floor_share"] > 0
    whole, tiles = report["tiles"]
    assert (whole["tile"], whole["difference"], tiles["tile"], tiles["tiles"]) == (0, None, 128, 2)
    assert tiles["difference"]["rms"] > 0
    assert [(row["hop"], row["delay_frames"]) for row in report["hops"]] == [(1, 0), (2, 1), (3, 2)]
    assert all(row["seconds_per_frame"] > 0 for row in report["hops"])


def test_weights_for_another_system_are_refused(tmp_path: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    save_drawn_weights("pg-svrt", weights, System.SD_CASSI, seed=1)
    result = CliRunner().invoke(benchmark_app, [*QUICK, "--weights", str(weights)])
    assert isinstance(result.exception, EngineMismatchError)
    assert "sd-cassi, expected dd-cassi" in str(result.exception)


def test_sizes_and_tiles_are_read() -> None:
    assert parse_sizes("128, 96x160,128") == ((128, 128), (96, 160))
    assert parse_tiles("256,128") == (256, 128)
    assert parse_tiles("off") == ()
    assert parse_sizes(usual_sizes("cpu")) == ((128, 128), (256, 256), (512, 512))


@pytest.mark.parametrize(
    ("sizes", "main", "largest"),
    [
        ("128,256,512", (256, 256), (512, 512)),
        ("512,320x1024", (512, 512), (320, 1024)),
        ("64,200x300,32", (200, 300), (200, 300)),
    ],
)
def test_what_is_measured_once_is_measured_up_to_256(
    sizes: str, main: tuple[int, int], largest: tuple[int, int]
) -> None:
    plan = Plan(parse_sizes(sizes), ())
    assert (plan.main_size, plan.largest_size) == (main, largest)


@pytest.mark.parametrize("text", ["", "big", "128;256", "12x", "1x2x3", "-64", "16", "64x16", "4097"])
def test_sizes_that_are_none_are_refused_in_words(text: str) -> None:
    with pytest.raises(EngineError, match=r"sizes '.*': .*(expected sides in px such as|takes 17 to 4096 px)"):
        parse_sizes(text)


@pytest.mark.parametrize("text", ["", "64", "130", "tiny", "128,,256"])
def test_tiles_that_are_none_are_refused_in_words(text: str) -> None:
    with pytest.raises(EngineError, match=r"cannot be the side of a tile; expected multiples of 32 from 128 px"):
        parse_tiles(text)


def test_a_size_that_cannot_be_reaches_the_operator() -> None:
    result = CliRunner().invoke(benchmark_app, ["pg-svrt", "--sizes", "12"])
    assert isinstance(result.exception, EngineError)
    assert CliRunner().invoke(benchmark_app, ["pg-svrt", "--device", "abacus"]).exit_code == 2
