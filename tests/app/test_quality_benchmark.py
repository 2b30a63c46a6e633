"""The scoreboard: with small fakes for what is scored and said, with real engines for the way to the figures."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from commands import Run
from fakes import FakeEngine, FakeWindowEngine, small_calibration
from numpy.typing import NDArray

from livecassi.app.engine_list import engine_specs
from livecassi.app.quality_benchmark import Contest, run_contest
from livecassi.app.quality_figures import YARDSTICK, LeftOut, Report, Row, SceneFigures, UsedWeights, used_weights
from livecassi.app.quality_json import report_json
from livecassi.app.quality_remarks import remarks
from livecassi.app.quality_sheets import NEVER_COMPARE, sheets
from livecassi.app.weight_places import Place, WeightsFile
from livecassi.calibration import Calibration, Measurement, System, sensing_model
from livecassi.calibration.store import save_calibration
from livecassi.engines import Cube, EngineError, EngineInfo, EngineSpec
from livecassi.engines.metrics import score
from livecassi.engines.protocol import (
    VALIDATION_SCENES,
    Scene,
    add_noise,
    moving_path,
    protocol_calibration,
    synthetic_mask,
    synthetic_scene,
)
from livecassi.engines.weights import ModelCard, SourceFile, TrainingState, WeightsCard

Array32 = NDArray[np.float32]
ROWS, COLUMNS = 24, 20


@dataclass(frozen=True)
class SmallScene:
    """Smooth in space and wavelength, as large as the small calibration."""

    name: str
    phase: float

    def bands(self, wavelengths_nm: NDArray[np.floating], shift_px: tuple[float, float] = (0.0, 0.0)) -> Array32:
        rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
        along = wavelengths_nm[:, None, None] / 60 + self.phase
        picture = np.sin((rows + shift_px[0]) / 4 + along) + np.cos((columns + shift_px[1]) / 3 - along)
        return (0.5 + 0.2 * picture).astype(np.float32)


SCENES = (SmallScene("hills", 0.0), SmallScene("dales", 1.1))

Build = Callable[[Calibration], FakeEngine]


def spec_of(name: str, build: Build, **changes: object) -> EngineSpec:
    def made(calibration: Calibration, _options: Mapping[str, object]) -> FakeEngine:
        return build(calibration)

    spec = EngineSpec(name, name, "nothing", "none", "none needed", frozenset(System), made)
    return replace(spec, **changes)  # type: ignore[arg-type]


def contest(*specs: EngineSpec, system: System = System.SD_CASSI, **changes: object) -> Contest:
    plain = Contest({spec.name: spec for spec in specs}, [small_calibration(system)], SCENES, iterations=0)
    return replace(plain, **changes)  # type: ignore[arg-type]


class Diary(FakeEngine):
    """Notes for every measurement whether it was told to forget the ones before."""

    def __init__(self, calibration: Calibration) -> None:
        super().__init__(calibration, "diary")
        self.notes: list[tuple[int, bool]] = []
        self.fresh = True

    def reconstruct(self, measurement: Measurement) -> Cube:
        self.notes.append((measurement.frame_index, self.fresh))
        self.fresh = False
        return super().reconstruct(measurement)

    def reset(self) -> None:
        super().reset()
        self.fresh = True


def test_stills_stand_alone_and_the_frames_of_a_moving_scene_follow_each_other() -> None:
    built: list[Diary] = []

    def build(calibration: Calibration) -> Diary:
        built.append(Diary(calibration))
        return built[-1]

    run_contest(contest(spec_of("diary", build)))
    (engine,) = built
    stills = [(0, True)] * 3  # the noise-free one twice, for its time
    moving = [(index, index == 0) for index in range(len(moving_path()))]
    assert engine.notes == [*stills, *moving, *moving] * len(SCENES)
    assert (engine.entered, engine.exited) == (1, 1)


@pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
def test_scores_are_those_of_the_metrics(system: System) -> None:
    report = run_contest(contest(spec_of("fake", FakeEngine), system=system))
    (row,) = report.rows
    calibration = small_calibration(system)
    model = sensing_model(calibration)
    truths = [scene.bands(calibration.wavelengths_nm) for scene in SCENES]
    for noisy in (False, True):
        measured = [add_noise(model.forward(truth)) if noisy else model.forward(truth) for truth in truths]
        expected = [score(model.adjoint(y), truth) for y, truth in zip(measured, truths, strict=True)]
        mean = row.mean(moving=False, noisy=noisy)
        assert mean is not None
        assert mean.psnr_db == pytest.approx(np.mean([one.psnr_db for one in expected]))
        assert mean.ssim == pytest.approx(np.mean([one.ssim for one in expected]))
        assert mean.sam_deg == pytest.approx(np.mean([one.sam_deg for one in expected]))
        assert mean.st_rred is None
        assert (mean.seconds is None) == noisy
    assert [one.scene for one in row.of(moving=False, noisy=True)] == ["hills", "dales"]


def test_an_engine_of_windows_is_scored_on_every_frame_as_one_without() -> None:
    def window(calibration: Calibration) -> FakeWindowEngine:
        return FakeWindowEngine(calibration, hop=3)

    report = run_contest(contest(spec_of("fake", FakeEngine), spec_of("window", window)))
    fake, late = report.rows
    for moving in (False, True):
        one, other = (row.mean(moving=moving, noisy=True) for row in (fake, late))
        assert one is not None
        assert other is not None
        assert (one.psnr_db, one.ssim, one.st_rred) == (other.psnr_db, other.ssim, other.st_rred)
        assert (one.st_rred is not None) == moving


def test_what_cannot_run_is_left_out_with_its_reason_and_the_rest_goes_on() -> None:
    def broken(calibration: Calibration) -> FakeEngine:
        raise EngineError("its file is damaged")

    class Tired(FakeEngine):
        def reconstruct(self, measurement: Measurement) -> Cube:
            if measurement.frame_index == 4:
                raise EngineError("out of memory")
            return super().reconstruct(measurement)

    class Blind(FakeEngine):
        def reconstruct(self, measurement: Measurement) -> Cube:
            cube = super().reconstruct(measurement)
            return replace(cube, values=cube.values * np.float32(np.nan))

    done: list[int] = []
    specs = (
        spec_of("elsewhere", FakeEngine, systems=frozenset({System.PMVIS})),
        spec_of("absent", FakeEngine, missing=lambda: "torch is not installed"),
        spec_of("untrained", FakeEngine, unfit=lambda _: "no trained weights"),
        spec_of("broken", broken),
        spec_of("tired", Tired),
        spec_of("blind", Blind),
        spec_of("fake", FakeEngine),
    )
    asked = contest(*specs)
    report = run_contest(asked, done.append)
    reasons = {out.engine: out.reason for out in report.left_out}
    assert reasons.pop("blind").endswith("expected finite numbers; repair it")
    assert reasons == {
        "elsewhere": "made for pmvis; this calibration is for sd-cassi",
        "absent": "torch is not installed",
        "untrained": "no trained weights",
        "broken": "its file is damaged",
        "tired": "out of memory",
    }
    assert [row.engine for row in report.rows] == ["fake"]
    assert done == sorted(done)
    assert done[-1] == asked.steps == len(specs) * len(SCENES)
    assert "absent was not scored for sd-cassi: torch is not installed." in remarks(report)


def test_the_yardstick_stands_first_without_moving_scenes() -> None:
    report = run_contest(contest(spec_of("fake", FakeEngine), iterations=5, moving=False))
    yardstick, fake = report.rows
    assert yardstick.engine == YARDSTICK
    assert yardstick.weights is None
    assert len(yardstick.scenes) == len(fake.scenes) == 2 * len(SCENES)
    titles = [sheet.title for sheet in sheets(report, scenes=False)]
    assert len(titles) == 2  # stills, and what is published
    assert titles[1].endswith(NEVER_COMPARE)


def card(**known: object) -> WeightsCard:
    plain = WeightsCard(
        network="net",
        system=System.DD_CASSI,
        bands=5,
        step_px=2,
        created=datetime(2026, 2, 3, tzinfo=UTC),
        state=TrainingState.PARTLY_TRAINED,
    )
    return plain.model_copy(update=known)


def test_weights_are_found_by_the_name_that_the_engine_gives_and_by_the_system() -> None:
    here = [
        WeightsFile(Path("a") / "net.safetensors", Place.USER, card(system=System.SD_CASSI)),
        WeightsFile(
            Path("b") / "net.safetensors",
            Place.SHIPPED,
            card(
                model_card=ModelCard(training_data="18 scenes", validation={"psnr_db": 31.25, "ssim": 0.9}),
                tensors_sha256="abc",
            ),
        ),
    ]
    info = EngineInfo("net", "cpu", "id", (("weights", "net.safetensors (partly trained)"), ("tile", "off")))
    found = used_weights(info, System.DD_CASSI, here)
    assert found == UsedWeights(
        "net.safetensors", "partly trained", (("psnr_db", 31.25), ("ssim", 0.9)), "18 scenes", False, "abc"
    )
    imported = [replace(here[1], card=card(source=SourceFile(name="net.pth", sha256="def")))]
    elsewhere = used_weights(info, System.DD_CASSI, imported)
    assert elsewhere is not None
    assert elsewhere.imported
    assert used_weights(EngineInfo("fake", "numpy", "id"), System.DD_CASSI, here) is None


def row(engine: str, psnr_db: float, sam_deg: float, weights: UsedWeights | None = None) -> Row:
    figures = [
        SceneFigures("hills", moving, noisy, psnr_db - noisy, 0.9, sam_deg, 20.0 if moving else None, 0.25)
        for moving in (False, True)
        for noisy in (False, True)
    ]
    return Row(engine, System.DD_CASSI, 5, "cpu", (), weights, tuple(figures))


def report_of(*rows: Row, drawn: str = "", left_out: tuple[LeftOut, ...] = ()) -> Report:
    return Report("scenes", drawn, ("hills",), rows, left_out, 2, 0.1, 0.2)


NET = UsedWeights("net.safetensors", "partly trained", (("psnr_db", 31.0),), "", False, "")


def test_a_network_below_gap_tv_is_called_so() -> None:
    lines = remarks(report_of(row("gap-tv", 30.0, 6.0), row("net", 28.5, 5.0, NET)))
    (line,) = [line for line in lines if "is better than" in line]
    assert line.startswith("dd-cassi: gap-tv is better than net in still, noise-free: PSNR 30.00 against 28.50 dB; ")
    assert "moving, 10 ke- noise: PSNR 29.00 against 27.50 dB." in line
    assert "SAM" not in line
    assert "SSIM" not in line


def test_a_network_above_gap_tv_and_one_without_a_rival_are_called_so_too() -> None:
    lines = remarks(report_of(row("gap-tv", 30.0, 6.0), row("net", 34.5, 5.0, NET)))
    assert "dd-cassi: net is at least as good as gap-tv in every score." in lines
    lines = remarks(report_of(row("net", 34.5, 5.0, replace(NET, imported=True))))
    assert "dd-cassi: gap-tv was not scored, so this run does not tell whether net is better than it." in lines
    assert any("net.safetensors of net was trained elsewhere" in line for line in lines)


def test_the_yardstick_above_gap_tv_is_named() -> None:
    lines = remarks(report_of(row(YARDSTICK, 31.0, 6.0), row("gap-tv", 30.0, 6.0)))
    assert any(f"{YARDSTICK} is better than gap-tv in still" in line for line in lines)
    assert not any("is better than" in line for line in remarks(report_of(row(YARDSTICK, 29, 7), row("gap-tv", 30, 6))))


def test_times_taken_beside_other_programs_are_called_so() -> None:
    quiet = report_of(row("gap-tv", 30.0, 6.0))
    assert not any("Times" in line for line in remarks(quiet))
    assert any("(load 7.80 on 2 core(s)" in line for line in remarks(replace(quiet, load_before=7.8)))


def test_the_weights_and_the_score_on_their_card_stand_in_the_row() -> None:
    stills, moving, published = sheets(report_of(row("gap-tv", 30.0, 6.0), row("net", 28.5, 5.0, NET)), scenes=False)
    assert stills.rows[0] == ("gap-tv", "none needed", "none", "30.00", "0.9000", "6.00", "0.250")
    assert stills.rows[3][:3] == ("net", "net.safetensors (partly trained; card: psnr_db 31)", "10 ke-")
    assert moving.rows[0] == ("gap-tv", "none", "30.00", "0.9000", "6.00", "20.00", "250.0")
    assert published.rows[0][:3] == ("PG-SVRT", "41.23", "41.82")
    assert all(len(line) == len(stills.words + stills.numbers) for line in stills.rows)
    per_scene = sheets(report_of(row("net", 28.5, 5.0, NET)), scenes=True)[0]
    assert [line[3] for line in per_scene.rows] == ["hills", "mean"] * 2
    assert per_scene.strong == {1, 3}


def test_json_holds_means_and_has_null_for_what_is_no_number() -> None:
    content = json.loads(report_json(report_of(row("net", math.inf, 0.0, NET), drawn="random masks")))
    (net,) = content["rows"]
    assert net["weights"]["scores"] == {"psnr_db": 31.0}
    assert net["system"] == "dd-cassi"
    assert [(mean["moving"], mean["noisy"]) for mean in net["means"]] == [
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    ]
    assert net["means"][0]["psnr_db"] is None
    assert net["means"][2]["st_rred"] == 20.0
    assert content["published_on_other_scenes"]["dd-cassi"][0]["psnr_db"] == 41.52
    assert any("NOT scores of the protocol: random masks" in line for line in content["remarks"])


QUICK = ("--engines", "gap-tv", "--system", "dd-cassi", "--no-moving", "--no-plain")


def test_the_command_prints_markdown_with_itself_first(run: Run, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    outcome = run("benchmark", "quality", *QUICK, "--markdown", "--json", figures)
    assert outcome.code == 0, outcome.err
    first, *rest = outcome.out.splitlines()
    assert first.startswith(f"`livecassi benchmark quality {' '.join(QUICK[:4])} --no-plain --no-moving --markdown`, ")
    assert "scenes: synthetic" in first
    (line,) = [line for line in rest if line.startswith("| gap-tv | none needed | none |")]
    (found,) = json.loads(figures.read_text())["rows"]
    assert f"| {found['means'][0]['psnr_db']:.2f} |" in line
    assert any("NOT scores of the protocol" in line for line in rest)


def test_the_command_prints_tables_and_reasons(run: Run) -> None:
    outcome = run("benchmark", "quality", *QUICK, "--scenes")
    assert outcome.code == 0, outcome.err
    assert "Data: one synthetic scene and random masks drawn in code" in outcome.out
    assert "synthetic" in outcome.out
    assert "Published, dd-cassi" in outcome.out
    assert "never compare" in " ".join(outcome.out.split())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--engines", "gap-tv,magic"), "there is no engine 'magic'"),
        (("--system", "pmvis"), "knows sd-cassi and dd-cassi"),
        (("--data", "nowhere"), "there is no folder nowhere"),
        (("--json", "figures.txt"), "choose a name ending in .json"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_work(run: Run, arguments: tuple[str, ...], complaint: str) -> None:
    outcome = run("benchmark", "quality", *arguments)
    assert outcome.code == 2
    assert complaint in " ".join(outcome.err.replace("│", " ").split())


def test_a_scoreboard_without_a_row_is_refused_with_the_reasons(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVECASSI_WEIGHTS", str(tmp_path))
    outcome = run("benchmark", "quality", "--engines", "pg-svrt", "--system", "sd-cassi", "--no-plain")
    assert outcome.code == 2
    assert "none of the engines could be scored (pg-svrt for sd-cassi: 'pg-svrt' reconstructs 30 bands" in outcome.err


@pytest.fixture(scope="module")
def drawn_scene() -> Scene:
    return synthetic_scene()


@pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
@pytest.mark.parametrize("engine", ["gap-tv", "live", pytest.param("pg-svrt", marks=pytest.mark.slow)])
def test_reconstruct_gives_the_scores_of_the_scoreboard(
    run: Run, tmp_path: Path, drawn_scene: Scene, engine: str, system: System
) -> None:
    """From a file of a single measurement; the pedestal that is looked for in it is found to be none."""
    calibration = protocol_calibration(system, synthetic_mask(256, 318))
    specs = engine_specs()
    if engine not in specs or (reason := specs[engine].missing() or specs[engine].unfit(calibration)):
        pytest.skip(f"no engine '{engine}'" if engine not in specs else reason)
    report = run_contest(Contest({engine: specs[engine]}, [calibration], [drawn_scene], iterations=0, moving=False))
    save_calibration(calibration, tmp_path / "bench.h5")
    truth = drawn_scene.bands(calibration.wavelengths_nm)
    np.save(tmp_path / "truth.npy", truth)
    clean = sensing_model(calibration).forward(truth)
    for values, figures in zip((clean, add_noise(clean)), report.rows[0].scenes, strict=True):
        np.save(tmp_path / "measured.npy", values)
        arguments = (tmp_path / "measured.npy", "-c", tmp_path / "bench.h5", "--engine", engine)
        outcome = run("reconstruct", *arguments, "--out", tmp_path / "cubes.h5")
        assert outcome.code == 0, outcome.err
        assert "pedestal" not in outcome.out
        outcome = run("evaluate", tmp_path / "cubes.h5", "--truth", tmp_path / "truth.npy", "--json")
        assert outcome.code == 0, outcome.err
        found = json.loads(outcome.out)
        assert found["psnr"] == pytest.approx(figures.psnr_db, abs=1e-3)
        assert found["ssim"] == pytest.approx(figures.ssim, abs=1e-5)
        assert found["sam"] == pytest.approx(figures.sam_deg, abs=1e-3)


def test_measurements_of_the_validation_scenes_have_no_pedestal(shared: Path) -> None:
    """So that `livecassi reconstruct`, which looks for one, leaves them as they are."""
    pytest.importorskip("imagecodecs")
    from livecassi.app.scoring_material import gather_material
    from livecassi.calibration.pedestal import estimate_pedestal

    material = gather_material(shared / "data")
    assert not material.drawn
    assert tuple(material.scenes) == VALIDATION_SCENES
    calibration = protocol_calibration(System.SD_CASSI, material.masks[System.SD_CASSI])
    truth = material.scenes["sponges"]().bands(calibration.wavelengths_nm)
    clean = sensing_model(calibration).forward(truth)
    for values in (clean, add_noise(clean)):
        assert estimate_pedestal(values, calibration).value == 0.0
