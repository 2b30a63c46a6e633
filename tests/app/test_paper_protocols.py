"""The evaluations of two papers from end to end: with an engine that knows the truth, and with gap-tv."""

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from commands import Run
from fakes import FakeEngine
from numpy.typing import NDArray
from scene_files import counts, save_v5, smooth_scene

from livecassi.app.paper_protocols import EngineChoice, evaluate_dynaspec, evaluate_kaist
from livecassi.calibration import Calibration, Measurement, System, sensing_model
from livecassi.engines import Cube, EngineError, EngineOption, EngineSpec
from livecassi.engines.datasets.dynaspec import SceneClass, open_benchmark
from livecassi.engines.errors import MetricsError
from livecassi.engines.metrics import Flavour, score

Array32 = NDArray[np.float32]


@pytest.fixture(scope="module")
def benchmark_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One static scene and one dynamic scene of six frames: three clips."""
    folder = tmp_path_factory.mktemp("dynaspec")
    save_v5(folder / "Kaist_Truth_50030" / "1.mat", img_31=smooth_scene(30, 320, 320))
    for index in range(6):
        frame = counts(smooth_scene(30, 320, 320, 0.1 * index))
        save_v5(folder / "Dyna_Spec_train_320_ref_norm_50030_test" / "toys" / f"{index + 1:05d}.mat", img=frame)
    return folder


@pytest.fixture(scope="module")
def kaist_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("TSA_simu_data")
    for number in (1, 2):
        save_v5(folder / "Truth" / f"scene{number:02d}.mat", img=smooth_scene(28, 256, 256, number))
    save_v5(folder / "mask.mat", mask=np.random.default_rng(0).random((256, 256)).astype(np.float32))
    return folder


class Oracle(FakeEngine):
    """Gives the truth behind every measurement, `latency` frames late and off by `offset`; checks what it gets."""

    def __init__(
        self, calibration: Calibration, truths: list[Array32], *, offset: float = 0.0, latency: int = 0
    ) -> None:
        super().__init__(calibration, "oracle")
        self.model = sensing_model(calibration)
        self.truths, self.offset, self.latency = iter(truths), np.float32(offset), latency
        self.owed: list[Cube] = []

    def reconstruct(self, measurement: Measurement) -> Cube | None:  # type: ignore[override]
        truth = next(self.truths)
        np.testing.assert_allclose(measurement.values, self.model.forward(truth), atol=1e-5)
        nm = self.calibration.wavelengths_nm
        self.owed.append(Cube(truth + self.offset, nm, self.calibration.id, "oracle", measurement.frame_index))
        return self.owed.pop(0) if len(self.owed) > self.latency else None

    def flush(self) -> list[Cube]:
        cubes, self.owed = self.owed, []
        return cubes


class Built(NamedTuple):
    choice: EngineChoice
    options: dict[str, object]


def oracle(truths: list[Array32], *, hop: bool = False, chosen: dict[str, str] | None = None, **how: float) -> Built:
    seen: dict[str, object] = {}

    def build(calibration: Calibration, options: Mapping[str, object]) -> Oracle:
        seen.update(options)
        return Oracle(calibration, truths, **how)  # type: ignore[arg-type]

    options = {"hop": EngineOption("New frames per pass.", "1", int)} if hop else {}
    spec = EngineSpec("oracle", "knows it all", "nothing", "none", "none needed", frozenset(System), build, options)
    return Built(EngineChoice({"oracle": spec}, "oracle", chosen or {}), seen)


def truths_of(folder: Path) -> list[Array32]:
    return [truth for clip in open_benchmark(folder).clips() for truth in clip.truths]


@pytest.mark.parametrize("latency", [0, 1, 3])
def test_the_truth_scores_without_end_however_late_it_comes(benchmark_folder: Path, latency: int) -> None:
    done: list[int] = []
    choice = oracle(truths_of(benchmark_folder), latency=latency).choice
    report = evaluate_dynaspec(benchmark_folder, System.PMVIS, None, choice, done.append)
    assert done == [1, 2, 3]
    assert [(clip.scene, clip.first_frame) for clip in report.clips] == [("1", 0), ("toys", 0), ("toys", 3)]
    assert report.headline is not None
    assert (report.headline.psnr_db, report.headline.ssim) == (math.inf, pytest.approx(1.0))
    assert report.headline.sam_deg == pytest.approx(0.0, abs=0.01)


def test_means_are_those_of_the_paper(benchmark_folder: Path) -> None:
    """Half a per cent too bright: each clip scores as by hand; the headline is the mean of the two class means."""
    truths = truths_of(benchmark_folder)
    report = evaluate_dynaspec(benchmark_folder, System.NDSSI, None, oracle(truths, offset=0.005).choice)
    by_hand = [
        np.mean([score(t + np.float32(0.005), t, Flavour.DYNASPEC).psnr_db for t in truths[at : at + 3]])
        for at in (0, 3, 6)
    ]
    assert [clip.figures.psnr_db for clip in report.clips] == pytest.approx(by_hand)
    static, dynamic = (report.class_mean(one) for one in SceneClass)
    assert static is not None
    assert dynamic is not None
    assert static.psnr_db == pytest.approx(by_hand[0])
    assert dynamic.psnr_db == pytest.approx((by_hand[1] + by_hand[2]) / 2)
    assert report.headline is not None
    assert report.headline.psnr_db == pytest.approx((static.psnr_db + dynamic.psnr_db) / 2)
    assert report.clip_mean is not None
    assert report.clip_mean.psnr_db == pytest.approx(np.mean(by_hand))


def test_an_engine_of_windows_passes_over_a_clip_at_once(benchmark_folder: Path) -> None:
    truths = truths_of(benchmark_folder)
    for chosen, hop in (({}, 3), ({"hop": "2"}, 2)):
        built = oracle(truths, hop=True, chosen=chosen)
        evaluate_dynaspec(benchmark_folder, System.PMVIS, None, built.choice)
        assert built.options == {"hop": hop}


def test_an_engine_that_loses_a_cube_is_refused(benchmark_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = oracle(truths_of(benchmark_folder), latency=1).choice
    monkeypatch.setattr(Oracle, "flush", lambda self: [])
    with pytest.raises(EngineError, match="gave 2 cubes for a clip of 3"):
        evaluate_dynaspec(benchmark_folder, System.PMVIS, None, choice)


def test_what_cannot_be_scored_names_the_clip(benchmark_folder: Path) -> None:
    choice = oracle(truths_of(benchmark_folder), offset=math.nan).choice
    with pytest.raises(MetricsError, match=r"^scene '1' from 0: the cube holds \d+ NaN"):
        evaluate_dynaspec(benchmark_folder, System.PMVIS, None, choice)


def test_kaist_is_scored_in_both_definitions(kaist_folder: Path) -> None:
    truths = [np.moveaxis(smooth_scene(28, 256, 256, number), 2, 0).astype(np.float32) for number in (1, 2)]
    report = evaluate_kaist(kaist_folder, None, oracle(truths, offset=0.01).choice)
    assert report.missing == ("found 2 scenes, published means are over ten",)
    for scene, truth in zip(report.scenes, truths, strict=True):
        for flavour in (Flavour.MST, Flavour.DYNASPEC):
            expected = score(truth + np.float32(0.01), truth, flavour)
            assert scene.figures[flavour].psnr_db == pytest.approx(expected.psnr_db)
            assert scene.figures[flavour].ssim == pytest.approx(expected.ssim)
    mean = report.mean(Flavour.MST)
    assert mean is not None
    assert mean.psnr_db == pytest.approx(np.mean([scene.figures[Flavour.MST].psnr_db for scene in report.scenes]))


@pytest.fixture
def run(run: Run) -> Run:
    return partial(run, "evaluate")


FEW = ("-o", "iterations=4", "-o", "live_iterations=2")


def test_the_command_evaluates_by_dynaspec(run: Run, benchmark_folder: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask_dd_binary.mat"
    save_v5(mask, binary_mask=np.random.default_rng(5).integers(0, 2, (256, 318)).astype(np.uint8))
    outcome = run("--protocol", "dynaspec", "--data", benchmark_folder, "--mask", mask, *FEW, "--json")
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    assert (report["system"], report["engine"]["name"]) == ("dd-cassi", "gap-tv")
    assert report["engine"]["options"]["iterations"] == "4"
    assert [clip["class"] for clip in report["clips"]] == ["K", "D", "D"]
    assert report["headline"]["psnr"] == pytest.approx((report["mean_k"]["psnr"] + report["mean_d"]["psnr"]) / 2)
    assert report["headline"]["psnr"] > 14
    assert report["published"]["classes"][0] == {
        "method": "PG-SVRT",
        "psnr_k": 41.23,
        "psnr_d": 41.82,
        "ssim_k": 0.9882,
        "ssim_d": 0.9904,
        "sam_k": 3.805,
        "sam_d": 4.0118,
    }


def test_the_command_prints_published_scores_beside(run: Run, benchmark_folder: Path) -> None:
    outcome = run("--protocol", "dynaspec", "--data", benchmark_folder, "--system", "ndssi", *FEW)
    assert outcome.code == 0, outcome.err
    assert "PG-SVRT (published)" in outcome.out
    assert "37.84" in outcome.out
    assert "gap-tv (here)" in outcome.out
    assert "warning: found 1 static (K) scenes" in outcome.err
    assert "warning: 'toys' has 6 frames: 2 of 3 clips" in outcome.err


def test_the_command_evaluates_by_the_mst_toolbox(run: Run, kaist_folder: Path) -> None:
    arguments = ("--protocol", "mst", "--data", kaist_folder, *FEW)
    outcome = run(*arguments, "--json")
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    assert [scene["scene"] for scene in report["scenes"]] == ["scene01", "scene02"]
    assert set(report["mean"]) == {"mst", "dynaspec"}
    table = run(*arguments)
    assert "scene02" in table.out
    assert "MST-L (published)" in table.out
    assert "warning: found 2 scenes" in table.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--protocol", "mts", "--data", "x"), "expected dynaspec or mst"),
        (("--protocol", "mst"), "needs --data"),
        (("--protocol", "mst", "--data", "x", "--system", "dd-cassi"), "protocol mst knows sd-cassi"),
        (("--protocol", "dynaspec", "--data", "x", "--system", "cassi"), "knows sd-cassi, dd-cassi, pmvis, ndssi"),
        (("cubes.h5", "--protocol", "mst", "--data", "x"), "leave out the reconstruction"),
        (("--protocol", "mst", "--data", "x", "--truth", "t.npy"), "leave out"),
        (("cubes.h5",), "--truth"),
        ((), "--protocol"),
        (("cubes.h5", "--truth", "t.npy", "--data", "x"), "--data"),
        (("cubes.h5", "--truth", "t.npy", "--engine", "pg-svrt"), "--engine and --option belong to --protocol"),
        (("--protocol", "dynaspec", "--data", "nowhere"), "there is no folder"),
    ],
)
def test_what_does_not_belong_together_is_refused(run: Run, arguments: tuple[str, ...], complaint: str) -> None:
    outcome = run(*arguments)
    assert outcome.code == 2
    words = " ".join(outcome.err.replace("│", " ").split())
    assert complaint in words
