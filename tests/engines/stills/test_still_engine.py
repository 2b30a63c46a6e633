"""The engines of still networks: chosen, refused, adapted to other bands, and how sure a prior is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from livecassi.calibration import Calibration, Measurement, System, sensing_model
from livecassi.engines import Cube, EngineMismatchError, EngineSpec, EngineUnavailableError, build_engine
from livecassi.engines.errors import RuntimeUnavailableError
from livecassi.engines.exporting.card import NetworkCard, add_card
from livecassi.engines.exporting.graph import GraphWriter
from livecassi.engines.networks import find_network, load_network, network_specs
from livecassi.engines.networks.adaptation import adapt
from livecassi.engines.networks.drawn import drawn_bench, drawn_scene, save_drawn_weights
from livecassi.engines.networks.engine_spec import network_engine
from livecassi.engines.networks.stills.family import still_family
from livecassi.engines.networks.stills.network import StillNetwork
from livecassi.engines.registry import parsed_options
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Offer, Place
from livecassi.engines.weights import TrainingState, load_state, mask_id, read_card, save_weights

pytestmark = pytest.mark.usefixtures("one_thread")

TORCH = Offer(RuntimeName.TORCH, Place.CPU, True, "ready", "2.13")
HEIGHT, WIDTH, BANDS = 18, 26, 28
NM = tuple(float(nm) for nm in np.linspace(400, 700, BANDS, dtype=np.float32))
Array32 = NDArray[np.float32]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights that act, in the disguise of trained ones."""
    folder = tmp_path_factory.mktemp("weights")
    return {name: saved(folder, name, System.SD_CASSI) for name in ("hsra-s", "hsra-s+sdp")}


def saved(folder: Path, name: str, system: System, wavelengths_nm: tuple[float, ...] | None = NM) -> Path:
    path = folder / f"{name}-{system}.safetensors"
    save_drawn_weights(name, path, system)
    card, state = load_state(path)
    known = {"state": TrainingState.TRAINED, "wavelengths_nm": wavelengths_nm}
    save_weights(path, card.model_copy(update=known), state)
    return path


def engine_of(*files: Path, name: str = "hsra-s") -> EngineSpec:
    class Found:
        def __init__(self, path: Path) -> None:
            self.path, self.card = path, read_card(path)

    def find(_name: str, system: System) -> Sequence[Found]:
        return [found for found in map(Found, files) if found.card.system == system]

    return network_engine(find_network(name), "dear", find, offered=lambda: (TORCH,))


def bench(system: System = System.SD_CASSI, name: str = "hsra-s") -> Calibration:
    return drawn_bench(find_network(name), system, HEIGHT, WIDTH)


def seen(calibration: Calibration) -> Measurement:
    (scene,) = drawn_scene(calibration.bands, HEIGHT, WIDTH, frames=1)
    return Measurement(sensing_model(calibration).forward(scene), calibration.id, 5)


def cube_of(spec: EngineSpec, calibration: Calibration, **options: str) -> tuple[Array32, dict[str, str]]:
    with build_engine({spec.name: spec}, spec.name, calibration, options) as engine:
        cube = engine.reconstruct(seen(calibration))
        assert cube is not None
        assert (cube.frame_index, cube.calibration_id, cube.engine) == (5, calibration.id, spec.name)
        np.testing.assert_array_equal(cube.wavelengths_nm, calibration.wavelengths_nm)
        assert (engine.info.window, engine.info.hop, engine.info.latency) == (1, 1, 0)
        return cube.values, dict(engine.info.options)


def test_every_member_is_a_network_with_one_line_and_another_with_the_prior() -> None:
    specs = network_specs()
    for name, member in still_family().items():
        assert specs[name].frames == 1
        assert specs[name].with_prior == name.endswith("+sdp")
        assert specs[name].systems == member.systems
    hosts = [name for name in still_family() if not name.endswith("+sdp")]
    assert hosts == [
        "hsra-s", "hsra-m", "hsra-l", "hsra-dum-3", "hsra-dum-4", "mst-s", "mst-m", "mst-l", "bisrnet",
    ]  # fmt: skip
    assert all(f"{host}+sdp" in specs for host in hosts)


def test_a_cube_is_what_the_network_makes_of_the_measurement(weights: dict[str, Path]) -> None:
    calibration = bench()
    cube, options = cube_of(engine_of(weights["hsra-s"]), calibration, brightness="0.5", runtime="torch")
    assert {"hop", "output", "frames"}.isdisjoint(options), "it looks at one frame"
    network = load_network("hsra-s", weights["hsra-s"], System.SD_CASSI)
    assert isinstance(network, StillNetwork)
    with torch.inference_mode():
        measurement = torch.from_numpy(seen(calibration).values * np.float32(0.5))[None, None]
        expected = network(measurement, network.for_bench(calibration))[0, 0].numpy() * 2
    np.testing.assert_allclose(cube, expected, atol=1e-5)


def test_frames_of_a_video_come_one_by_one_at_once(weights: dict[str, Path]) -> None:
    calibration, spec = bench(), engine_of(weights["hsra-s"])
    with build_engine({"hsra-s": spec}, "hsra-s", calibration) as engine:
        cubes = [engine.reconstruct(replace(seen(calibration), frame_index=index)) for index in range(3)]
        assert [cube.frame_index for cube in cubes if cube is not None] == [0, 1, 2]
        assert engine.flush() == []


def test_without_weights_it_says_what_it_needs_and_runs_on_none(weights: dict[str, Path], tmp_path: Path) -> None:
    for name, words in (("hsra-s", "livecassi train --list"), ("mst-s", "weights import")):
        spec = engine_of(name=name)
        assert "no trained weights" in spec.unfit(bench())
        assert words in spec.unfit(bench())
        assert spec.wanting(bench()) == "weights"
        assert spec.weights.startswith("missing")
        with pytest.raises(EngineUnavailableError, match=words):
            build_engine({name: spec}, name, bench())
    random = tmp_path / "random.safetensors"
    save_drawn_weights("hsra-s", random, System.SD_CASSI)
    spec = engine_of(random)
    with pytest.raises(EngineUnavailableError, match="no trained weights"):
        build_engine({"hsra-s": spec}, "hsra-s", bench())
    with pytest.raises(EngineUnavailableError, match="untrained"):
        build_engine({"hsra-s": spec}, "hsra-s", bench(), {"weights": str(random)})
    other = engine_of(name="hsra-s+sdp")
    with pytest.raises(EngineMismatchError, match=r"another network: hsra-s, expected hsra-s\+sdp"):
        build_engine({other.name: other}, other.name, bench(), {"weights": str(weights["hsra-s"])})


# ---- benches that it was not made for --------------------------------------------------------------------------------


def other_bands(stretch: float = 0.96, shift_nm: float = 7.0, bands: int = 24) -> Calibration:
    """A bench like the usual one with other bands: fewer, elsewhere, and not 2 px apart."""
    usual = bench()
    return replace(
        usual,
        wavelengths_nm=(shift_nm + np.linspace(400, 700, bands)).astype(np.float32),
        dispersion_px=(stretch * np.linspace(0, 54, bands)).astype(np.float32),
        response=np.full(bands, BANDS / bands, np.float32),
    )


def test_other_bands_are_refused_and_the_way_out_is_named(weights: dict[str, Path]) -> None:
    calibration, spec = other_bands(), engine_of(weights["hsra-s"])
    reason = spec.unfit(calibration)
    assert "reconstructs 28 bands" in reason
    assert "adapt=yes: 24 bands resampled from 28 of 400 to 700 nm" in reason
    assert spec.wanting(calibration) == "adapt"
    with pytest.raises(EngineMismatchError, match="adapt=yes"):
        build_engine({"hsra-s": spec}, "hsra-s", calibration)
    same_number = replace(bench(), wavelengths_nm=bench().wavelengths_nm + np.float32(9))
    assert "were trained for band" in spec.unfit(same_number)
    assert spec.wanting(same_number) == "adapt"


def test_adapted_it_serves_other_bands_and_says_so(weights: dict[str, Path]) -> None:
    calibration, spec = other_bands(), engine_of(weights["hsra-s"])
    cube, options = cube_of(spec, calibration, adapt="yes")
    assert cube.shape == (24, HEIGHT, WIDTH)
    assert np.isfinite(cube).all()
    assert options["adapted"].startswith("24 bands resampled from 28 of 400 to 700 nm, shifts up to")
    preparation = spec.preparation(calibration, parsed_options(spec, {"adapt": "yes", "runtime": "torch"}))
    assert preparation is None, "torch needs none, and the bench that it is made for is found"


@pytest.mark.parametrize("system", [System.SD_CASSI, System.DD_CASSI])
def test_what_the_network_is_told_measures_what_the_bench_measures(system: System) -> None:
    """The same smooth scene through both: bands, shifts, masks and responses belong together."""
    usual = bench(system)
    nm = np.linspace(405, 697, 24, dtype=np.float32)
    calibration = replace(
        usual,
        wavelengths_nm=nm,
        dispersion_px=((nm - 404) * 0.19).astype(np.float32),
        mask=0.5
        + 0.4
        * np.sin(np.mgrid[:HEIGHT, : 90 + (0 if system.single_disperser else 56)].sum(axis=0) / 3, dtype=np.float32),
        response=(1 + 0.3 * np.sin(nm / 60)).astype(np.float32),
    )
    width = calibration.cube_shape[2]

    def scene(wavelengths_nm: Array32) -> Array32:
        places = np.mgrid[:HEIGHT, :width].sum(axis=0)
        return (0.5 + 0.4 * np.sin(wavelengths_nm[:, None, None] / 70 + places / 9)).astype(np.float32)

    adaptation = adapt(calibration, np.linspace(400, 700, 28).tolist(), 2, "net")
    told = adaptation.bench
    measured = adaptation.measurement(Measurement(sensing_model(calibration).forward(scene(nm)), calibration.id))
    assert measured.calibration_id == told.id
    predicted = sensing_model(told).forward(scene(told.wavelengths_nm))
    assert predicted.shape == measured.values.shape
    error = np.abs(predicted - measured.values).mean() / measured.values.mean()
    assert error < 0.03
    assert abs(float(predicted.sum() / measured.values.sum()) - 1) < 0.03
    cube = Cube(scene(told.wavelengths_nm), told.wavelengths_nm, told.id, "net")
    back = adaptation.cube(cube)
    np.testing.assert_allclose(back.values, scene(nm), atol=0.01)
    assert back.calibration_id == calibration.id


def test_adaptation_changes_nothing_where_nothing_differs(weights: dict[str, Path]) -> None:
    spec = engine_of(weights["hsra-s"])
    plain, options = cube_of(spec, bench())
    adapted, same = cube_of(spec, bench(), adapt="yes")
    np.testing.assert_array_equal(adapted, plain)
    assert options == same


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        (other_bands(shift_nm=40), "even adapted the ranges may differ by 15 nm"),
        (other_bands(stretch=0.5), "even adapted it may be 25% more or less"),
        (other_bands(stretch=1.5), "even adapted it may be 25% more or less"),
    ],
)
def test_what_is_too_different_is_not_adapted(weights: dict[str, Path], calibration: Calibration, words: str) -> None:
    spec = engine_of(weights["hsra-s"])
    assert spec.wanting(calibration) == ""
    with pytest.raises(EngineMismatchError, match=words):
        build_engine({"hsra-s": spec}, "hsra-s", calibration, {"adapt": "yes"})


def test_weights_that_do_not_say_their_wavelengths_are_not_adapted(tmp_path: Path) -> None:
    spec = engine_of(saved(tmp_path, "hsra-s", System.SD_CASSI, None))
    assert spec.unfit(bench()) == "", "nobody knows that they do not fit"
    with pytest.raises(EngineMismatchError, match="--wavelengths"):
        build_engine({"hsra-s": spec}, "hsra-s", other_bands(), {"adapt": "yes"})


def test_a_dual_disperser_is_adapted_through_its_shifted_masks(tmp_path: Path) -> None:
    own = tuple(float(nm) for nm in np.linspace(400, 700, 30, dtype=np.float32))
    spec = engine_of(saved(tmp_path, "hsra-s", System.DD_CASSI, own))
    usual = bench(System.DD_CASSI)
    assert usual.bands == 30
    fewer = replace(
        usual,
        wavelengths_nm=np.linspace(404, 698, 25, dtype=np.float32),
        dispersion_px=np.linspace(0.3, 57.6, 25, dtype=np.float32),
        response=np.ones(25, np.float32),
    )
    cube, options = cube_of(spec, fewer, adapt="yes")
    assert cube.shape == (25, HEIGHT, WIDTH)
    assert "25 bands resampled from 30" in options["adapted"]


def test_exported_for_whole_steps_it_refuses_other_shifts(tmp_path: Path) -> None:
    """A network that is given the mask is not given the shifts: they are part of it."""
    usual = bench()
    shifted = replace(usual, dispersion_px=(usual.dispersion_px * np.float32(0.995)).astype(np.float32))
    known = {
        "network": "hsra-s", "system": "sd-cassi", "bands": BANDS, "wavelengths_nm": NM, "height": HEIGHT,
        "width": WIDTH, "precision": "fp32", "opset": 18, "weights": "w", "weights_sha256": "0",
        "weights_state": "trained", "livecassi": "1", "created": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    spec = engine_of()
    for baked, words in ((False, "has one 0.27 px off"), (True, "another mask")):
        mask = {"mask": "baked", "mask_id": mask_id(usual.mask), "calibration_id": usual.id} if baked else {}
        file = tmp_path / f"{baked}.onnx"
        save_doubling(file, NetworkCard.model_validate({**known, "mask": "input", **mask}))
        with pytest.raises(EngineMismatchError, match=words):
            build_engine({"hsra-s": spec}, "hsra-s", shifted, {"weights": str(file)})


def save_doubling(path: Path, card: NetworkCard) -> None:
    """A file that is no network but for its card."""
    writer = GraphWriter("doubling")
    given = writer.input("given", (1, 2))
    model = writer.model({"twice": writer.add("Add", [given, given], given.shape)})
    add_card(model, card)
    path.write_bytes(model.SerializeToString())


# ---- how sure the prior is -------------------------------------------------------------------------------------------


def test_several_starting_noises_give_a_mean_and_a_spread(weights: dict[str, Path]) -> None:
    calibration, spec = bench(), engine_of(weights["hsra-s+sdp"], name="hsra-s+sdp")
    with build_engine({spec.name: spec}, spec.name, calibration, {"starts": "3"}) as engine:
        cube = engine.reconstruct(seen(calibration))
        again = engine.reconstruct(seen(calibration))
        assert ("starts", "3") in engine.info.options
    assert cube is not None
    assert again is not None
    assert cube.spread is not None
    assert cube.spread.shape == cube.values.shape
    assert 0 < cube.spread.mean() < np.abs(cube.values).mean()
    np.testing.assert_array_equal(again.spread, cube.spread)
    network = load_network(spec.name, weights[spec.name], System.SD_CASSI)
    with torch.inference_mode():
        measurement = torch.from_numpy(seen(calibration).values)[None, None]
        each = network.estimates(measurement, network.for_bench(calibration), 3)[0].numpy()  # type: ignore[operator]
    np.testing.assert_allclose(cube.values, each.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(cube.spread, each.std(axis=0, ddof=1), atol=1e-5)


def test_one_starting_noise_has_no_spread_and_several_need_torch(weights: dict[str, Path]) -> None:
    spec = engine_of(weights["hsra-s+sdp"], name="hsra-s+sdp")
    with build_engine({spec.name: spec}, spec.name, bench()) as engine:
        cube = engine.reconstruct(seen(bench()))
        assert cube is not None
        assert cube.spread is None
    with pytest.raises(RuntimeUnavailableError, match="starts=2 was asked for, which only torch knows"):
        build_engine({spec.name: spec}, spec.name, bench(), {"starts": "2", "runtime": "onnxruntime"})
    assert "starts" not in engine_of(weights["hsra-s"]).options
