import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from livecassi.app.commands.benchmark import benchmark_app
from livecassi.app.outputs import write_whole
from livecassi.app.recording import RecordingError
from livecassi.app.scoring_material import gather_material
from livecassi.engines.protocol import ProtocolError


def test_without_data_a_synthetic_scene_is_measured_and_it_says_so(tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    result = CliRunner().invoke(
        benchmark_app, ["gap-tv", "--iterations", "12", "--no-plain", "--json", str(report_file)]
    )
    assert result.exit_code == 0, result.output
    assert "one synthetic scene and random masks drawn in code" in result.output
    report = json.loads(report_file.read_text())
    stills = {(s["system"], s["noisy"]): s["psnr_db"] for s in report["stills"]}
    assert set(stills) == {(system, noisy) for system in ("sd-cassi", "dd-cassi") for noisy in (False, True)}
    assert all(20 < value < 60 for value in stills.values())
    assert all(m["cubes_per_s"] > 0 and m["psnr_db"] > 20 for m in report["moving"])


@pytest.mark.parametrize("engine", ["gap-tv", "pg-svrt"])
@pytest.mark.parametrize("name", ["", "nowhere/x.json", "x.txt"])
def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, engine: str, name: str) -> None:
    result = CliRunner().invoke(benchmark_app, [engine, "--json", str(tmp_path / name)])
    assert isinstance(result.exception, RecordingError)
    assert not list(tmp_path.iterdir())


def test_what_the_disk_refuses_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken.json").mkdir()
    with pytest.raises(RecordingError, match=r"taken\.json cannot be written"):
        write_whole(tmp_path / "taken.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.json"]
    write_whole(tmp_path / "free.json", "{}")
    assert (tmp_path / "free.json").read_text() == "{}"


def test_scenes_without_masks_use_masks_drawn_in_code(tmp_path: Path) -> None:
    material = gather_material(tmp_path)
    assert "random masks" in material.source
    with pytest.raises(ProtocolError, match="no scene 'beads'"):
        material.scenes["beads"]()


def test_a_missing_folder_or_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="there is no folder"):
        gather_material(tmp_path / "nowhere")
    (tmp_path / "masks").mkdir()
    with pytest.raises(ProtocolError, match="cannot read the mask 'mask'"):
        gather_material(tmp_path)
    np.save(tmp_path / "masks" / "tsanet_sim_mask256.npy", np.ones((2, 3)))
    (tmp_path / "masks" / "tsanet_sim_mask256.mat").write_bytes(b"not a MATLAB file" * 20)
    with pytest.raises(ProtocolError, match="cannot read the mask 'mask'"):
        gather_material(tmp_path)
