"""The benchmark of live engines: every stage timed, quality of the very cubes that were timed."""

from pathlib import Path

import pytest
from commands import Run

from livecassi.app.engine_list import engine_specs
from livecassi.app.live_benchmark import live_figures
from livecassi.app.scoring_material import gather_material
from livecassi.calibration import System


@pytest.mark.slow
def test_gap_tv_is_timed_and_scored_on_the_drawn_scene() -> None:
    (row,) = live_figures(gather_material(None), engine_specs(), ["gap-tv"], System.DD_CASSI, rounds=1)
    assert (row.engine, row.system) == ("gap-tv", "dd-cassi")
    assert min(row.correct_ms, row.reconstruct_ms, row.picture_ms) > 0
    assert row.frames_per_s < 1e3 / row.reconstruct_ms
    assert 20 < row.psnr_db < 60


def test_an_unknown_engine_and_system_are_refused(run: Run, tmp_path: Path) -> None:
    assert "there is no engine 'none'" in run("benchmark", "live", "--engines", "none").err
    assert "expected at least one" in run("benchmark", "live", "--engines", " ,").err
    assert "expected both" in run("benchmark", "live", "--system", "pmvis").err
    out = tmp_path / "figures.txt"
    assert run("benchmark", "live", "--json", str(out)).code != 0
