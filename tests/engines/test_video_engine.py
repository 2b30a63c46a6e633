"""The engine around a network of frames: its cubes are the network's own, and what it refuses it refuses by name."""

import gc
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from weight_files import save_pg_svrt as save

from livecassi.calibration import Calibration, CalibrationHeader, Measurement, System
from livecassi.engines import Cube, Engine, EngineError, EngineMismatchError, EngineSpec, build_engine
from livecassi.engines.errors import EngineUnavailableError, WeightsError
from livecassi.engines.networks import find_network
from livecassi.engines.networks.engine_spec import network_engine
from livecassi.engines.networks.pg_svrt import PGSVRT
from livecassi.engines.networks.pg_svrt.network import SMALLEST_SIDE
from livecassi.engines.weights import TrainingState, WeightsCard, read_card, save_weights

HEIGHT, WIDTH, BANDS = 32, 32, 30
NAME = "pg-svrt"
NANOMETRES = np.linspace(410, 700, BANDS, dtype=np.float32)
BOTH = (System.DD_CASSI, System.SD_CASSI)
FIXED = {"brightness": "1"}


@dataclass(frozen=True)
class File:
    """What a search for weights gives."""

    path: Path
    card: WeightsCard


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def bench(system: System, height: int = HEIGHT, width: int = WIDTH, last_shift: float = 58.0) -> Calibration:
    shifts = 2 * np.arange(BANDS, dtype=np.float32)
    shifts[-1] = last_shift
    wide = width if system.single_disperser else width + int(np.ceil(last_shift))
    mask = (np.random.default_rng(5).random((height, wide)) > 0.5).astype(np.float32)
    return Calibration(CalibrationHeader(system=system, name="bench"), NANOMETRES, mask, shifts, np.ones(BANDS))


def measured(calibration: Calibration, index: int) -> Measurement:
    values = np.random.default_rng(index).uniform(0, 6, calibration.measurement_shape).astype(np.float32)
    return Measurement(values, calibration.id, index, 1000 + index)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[System, Path]:
    folder = tmp_path_factory.mktemp("weights")
    return {system: save(folder / f"{system}.safetensors", system) for system in BOTH}


def specs(*paths: Path) -> dict[str, EngineSpec]:
    """The list of engines where a search finds these weights."""

    def find(name: str, system: System) -> Sequence[File]:
        files = [File(path, read_card(path)) for path in paths]
        return [file for file in files if (file.card.network, file.card.system) == (name, system)]

    return {NAME: network_engine(find_network(NAME), "dear", find)}


def built(calibration: Calibration, *paths: Path, **options: str) -> Engine:
    return build_engine(specs(*paths), NAME, calibration, FIXED | options)


def direct(calibration: Calibration, path: Path, indices: Sequence[int]) -> NDArray[np.float32]:
    """The cubes `(3, C, H, W)` of the network itself, told the 2-D mask."""
    network = PGSVRT(calibration.system).eval()
    network.load_state_dict(load_file(path))
    frames = torch.from_numpy(np.stack([measured(calibration, index).values for index in indices]))
    with torch.inference_mode():
        cubes: Tensor = network(frames[None], torch.from_numpy(calibration.mask.copy()))
    return cubes[0].numpy()


def assert_same(cube: Cube | None, expected: NDArray[np.float32], index: int) -> None:
    assert cube is not None
    assert cube.frame_index == index
    np.testing.assert_allclose(cube.values, expected, rtol=0, atol=1e-6)


def psnr(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    error = np.mean((found.astype(np.float64) - expected) ** 2)
    return float(10 * np.log10(np.ptp(expected) ** 2 / error))


# ---- cubes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", System)
def test_cubes_are_the_published_ones(shared: Path, tmp_path: Path, system: System) -> None:
    folder = shared / "golden" / ("pgsvrt_sd" if system.single_disperser else "pgsvrt_dd")
    with np.load(folder / "case_a32x32.npz") as arrays:
        frames, mask, expected = arrays["meas"], arrays["mask2d"].astype(np.float32), arrays["out"]
    calibration = replace(bench(system), mask=mask)
    card = read_card(save(tmp_path / "any.safetensors", system))
    path = tmp_path / "golden.safetensors"
    save_weights(path, card, load_file(folder / "weights.safetensors"))
    assert calibration.measurement_shape == frames.shape[1:]
    with built(calibration, path, hop="3") as engine:
        for index, values in enumerate(frames):
            engine.reconstruct(Measurement(values, calibration.id, index))
        cubes = engine.flush()
    assert [cube.frame_index for cube in cubes] == [1, 2]
    for cube in cubes:
        error = cube.values - expected[cube.frame_index]
        assert np.sqrt(np.mean(error**2)) <= 2e-6


@pytest.mark.parametrize("system", BOTH)
def test_three_at_once_are_one_pass_of_the_network(weights: dict[System, Path], system: System) -> None:
    calibration = bench(system)
    expected = direct(calibration, weights[system], [4, 5, 6])
    with built(calibration, weights[system], hop="3") as engine:
        assert (engine.info.window, engine.info.hop, engine.info.latency) == (3, 3, 2)
        given = [engine.reconstruct(measured(calibration, index)) for index in (4, 5, 6)]
        assert given[:2] == [None, None]
        for index, cube in enumerate([given[2], *engine.flush()]):
            assert_same(cube, expected[index], 4 + index)


def test_latest_and_centre_are_the_last_and_the_middle_of_a_pass(weights: dict[System, Path]) -> None:
    path, calibration = weights[System.DD_CASSI], bench(System.DD_CASSI)
    expected = direct(calibration, path, [4, 5, 6])
    for output, place in (("latest", 2), ("centre", 1)):
        with built(calibration, path, output=output) as engine:
            assert engine.info.latency == 2 - place
            engine.observe(measured(calibration, 4))
            engine.observe(measured(calibration, 5)) if place == 2 else engine.reconstruct(measured(calibration, 5))
            assert_same(engine.reconstruct(measured(calibration, 6)), expected[place], 4 + place)


def test_a_still_and_a_frame_after_a_gap_are_their_own_neighbours(weights: dict[System, Path]) -> None:
    path, calibration = weights[System.DD_CASSI], bench(System.DD_CASSI)
    still = direct(calibration, path, [8, 8, 8])[1]
    with built(calibration, path) as engine:
        engine.reconstruct(measured(calibration, 5))
        assert_same(engine.reconstruct(measured(calibration, 8)), still, 8)
        engine.reset()
        assert_same(engine.reconstruct(measured(calibration, 8)), still, 8)


def test_unrelated_stills_are_seen_alone_and_as_bright_as_each_is(weights: dict[System, Path]) -> None:
    path, calibration = weights[System.DD_CASSI], bench(System.DD_CASSI)
    options = {"frames": "stills", "hop": "3", "output": "centre"}
    with built(calibration, path, **options) as engine:
        assert (engine.info.window, engine.info.hop, engine.info.latency) == (1, 1, 0)
        assert ("frames", "stills") in engine.info.options
        assert not {"hop", "output"} & set(dict(engine.info.options))
        for index in (4, 5):
            cube = engine.reconstruct(measured(calibration, index))
            assert_same(cube, direct(calibration, path, [index] * 3)[1], index)
    dim = measured(calibration, 0)
    dim = replace(dim, values=dim.values * np.float32(0.02))  # usual behind its own factor, and behind one 10 times it
    with built(calibration, path, brightness="auto", **options) as engine:
        alone = engine.reconstruct(dim)
        engine.reconstruct(replace(dim, values=dim.values * np.float32(0.2)))
        after = engine.reconstruct(dim)
    assert alone is not None
    assert after is not None
    np.testing.assert_array_equal(after.values, alone.values)


def test_a_last_shift_a_little_beyond_the_step_is_served(weights: dict[System, Path]) -> None:
    path, calibration = weights[System.SD_CASSI], bench(System.SD_CASSI, last_shift=58.3)
    measurement = measured(calibration, 0)
    assert measurement.values.shape == (HEIGHT, WIDTH + 59)
    narrow = bench(System.SD_CASSI)
    with built(calibration, path) as engine, built(narrow, path) as other:
        cube = engine.reconstruct(measurement)
        expected = other.reconstruct(Measurement(measurement.values[:, :-1], narrow.id))
    assert cube is not None
    assert expected is not None
    np.testing.assert_array_equal(cube.values, expected.values)


def test_cubes_have_the_units_of_the_measurement(weights: dict[System, Path]) -> None:
    """A scale of light that the network does not see but for rounding; gates may flip, hence a PSNR."""
    path, calibration = weights[System.DD_CASSI], bench(System.DD_CASSI)
    dim = measured(calibration, 0)
    dim = replace(dim, values=dim.values * np.float32(0.0001))
    with built(calibration, path, brightness="auto") as engine:
        one = engine.reconstruct(dim)
        engine.reset()
        ten = engine.reconstruct(replace(dim, values=10 * dim.values))
    assert one is not None
    assert ten is not None
    assert psnr(ten.values, 10 * one.values) > 60


# ---- precision and threads --------------------------------------------------------------------------------------


def test_bf16_is_close_to_fp32(weights: dict[System, Path]) -> None:
    path, calibration = weights[System.DD_CASSI], bench(System.DD_CASSI)
    expected = direct(calibration, path, [0, 0, 0])[1]
    with built(calibration, path, precision="bf16") as engine:
        assert "bf16" in engine.info.runtime
        cube = engine.reconstruct(measured(calibration, 0))
    assert cube is not None
    assert cube.values.dtype == np.float32
    assert 45 < psnr(cube.values, expected) < 90


def test_fp16_is_for_gpus(weights: dict[System, Path]) -> None:
    with pytest.raises(EngineUnavailableError, match=r"precision=fp16 .* on a CPU"):
        built(bench(System.DD_CASSI), weights[System.DD_CASSI], device="cpu", precision="fp16")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_numbers_that_overflow_are_an_error_that_names_the_precision(tmp_path: Path, precision: str) -> None:
    def enlarge(network: nn.Module) -> None:
        for name in ("dsr.conv_in.weight", "dsr.conv_out.weight"):
            network.get_parameter(name).mul_(1e25)

    path, calibration = save(tmp_path / "large.safetensors", System.DD_CASSI, enlarge), bench(System.DD_CASSI)
    with built(calibration, path, precision=precision) as engine:
        for index in (0, 1):  # the engine stays what it was
            with pytest.raises(EngineError, match=f"NaN or infinite values in {precision}"):
                engine.reconstruct(measured(calibration, index))
        assert engine.flush() == []


def test_built_in_one_thread_used_in_another(weights: dict[System, Path]) -> None:
    path, calibration = weights[System.SD_CASSI], bench(System.SD_CASSI)
    engines: list[Engine] = []
    builder = threading.Thread(target=lambda: engines.append(built(calibration, path)))
    builder.start()
    builder.join()
    cube = engines[0].reconstruct(measured(calibration, 3))
    assert_same(cube, direct(calibration, path, [3, 3, 3])[1], 3)
    engines[0].__exit__(None, None, None)


def test_an_engine_that_was_left_holds_no_network_and_says_so(weights: dict[System, Path]) -> None:
    def networks() -> int:
        return sum(type(thing) is PGSVRT for thing in gc.get_objects())

    calibration = bench(System.DD_CASSI)
    gc.collect()
    before = networks()
    engines = []
    for _ in range(3):
        with built(calibration, weights[System.DD_CASSI], hop="3") as engine:
            assert networks() == before + 1
            engine.reconstruct(measured(calibration, 0))
        engines.append(engine)
    assert networks() == before
    with pytest.raises(EngineError, match="build it again"):
        engines[0].reconstruct(measured(calibration, 0)) or engines[0].flush()
    engines[0].__exit__(None, None, None)


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_measurements_of_another_bench_are_refused_and_not_taken(weights: dict[System, Path]) -> None:
    path, calibration = weights[System.SD_CASSI], bench(System.SD_CASSI)
    good = measured(calibration, 1)
    spoiled = good.values.copy()
    spoiled[3, 4] = np.nan
    with built(calibration, path, hop="3") as engine:
        for give in (engine.reconstruct, engine.observe):
            for bad, words in (
                (replace(good, calibration_id="0" * 64), "corrected with calibration 00000000"),
                (replace(good, values=good.values[:, :-1]), r"shape \(32, 89\).*expects \(32, 90\)"),
                (replace(good, values=spoiled), "measurement 1 holds 1 values that are NaN"),
            ):
                with pytest.raises(EngineMismatchError, match=words):
                    give(bad)
        assert engine.flush() == []


def test_scenes_that_are_too_small_are_refused_before_weights_are_read(tmp_path: Path) -> None:
    assert find_network(NAME).smallest_side == SMALLEST_SIDE
    small = bench(System.DD_CASSI, height=40, width=16)
    with pytest.raises(EngineMismatchError, match="17 x 17 px or more, calibration 'bench' has 40 x 16"):
        built(small, weights=str(tmp_path / "absent.safetensors"))
    assert "17 x 17" in specs()[NAME].unfit(small)


def test_a_gpu_that_is_not_there_is_not_replaced_silently(weights: dict[System, Path]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    for tile in ("auto", "off"):
        with pytest.raises(EngineUnavailableError, match="torch finds no CUDA device"):
            built(bench(System.DD_CASSI), weights[System.DD_CASSI], device="cuda", tile=tile)


@pytest.mark.parametrize(
    "option",
    [
        {"hop": "4"},
        {"output": "first"},
        {"frames": "film"},
        {"tile": "100"},
        {"brightness": "0"},
        {"brightness": "nan"},
        {"t": "3"},
    ],
)
def test_options_that_make_no_sense_are_refused(weights: dict[System, Path], option: dict[str, str]) -> None:
    with pytest.raises(EngineUnavailableError, match="|".join(option)):
        built(bench(System.DD_CASSI), weights[System.DD_CASSI], **option)


# ---- which weights ---------------------------------------------------------------------------------------------------


def test_without_weights_the_way_to_them_is_said() -> None:
    calibration, without = bench(System.DD_CASSI), specs()
    with pytest.raises(EngineUnavailableError) as refusal:
        build_engine(without, NAME, calibration)
    told = without[NAME].unfit(calibration)
    for words in (str(refusal.value), told):
        assert "livecassi weights import CHECKPOINT --network pg-svrt --system dd-cassi" in words
    assert without[NAME].weights.startswith("missing: ")


def test_untrained_weights_are_never_used(tmp_path: Path) -> None:
    raw = save(tmp_path / "raw.safetensors", System.DD_CASSI, state=TrainingState.UNTRAINED)
    calibration = bench(System.DD_CASSI)
    with pytest.raises(EngineUnavailableError, match="are untrained"):
        built(calibration, weights=str(raw))
    with pytest.raises(EngineUnavailableError, match="no trained weights"):
        built(calibration, raw)
    assert specs(raw)[NAME].weights.startswith("missing: ")
    half = save(tmp_path / "half.safetensors", System.DD_CASSI, state=TrainingState.PARTLY_TRAINED)
    with built(calibration, raw, half) as engine:
        assert dict(engine.info.options)["weights"] == "half.safetensors (partly trained)"
    assert specs(raw, half)[NAME].weights == "dd-cassi: half.safetensors (partly trained)"
    assert specs(raw, half)[NAME].unfit(calibration) == ""


def test_the_best_weights_that_fit_the_bands_are_chosen(tmp_path: Path) -> None:
    calibration = bench(System.DD_CASSI)
    nanometres = tuple(float(value) for value in NANOMETRES)
    other = save(
        tmp_path / "other.safetensors", System.DD_CASSI, wavelengths_nm=tuple(value + 6 for value in nanometres)
    )
    close = save(
        tmp_path / "close.safetensors", System.DD_CASSI, wavelengths_nm=tuple(value + 4 for value in nanometres)
    )
    with built(calibration, other, close) as engine:
        assert dict(engine.info.options)["weights"] == "close.safetensors"
    words = "trained for band 0 at 416 nm, calibration 'bench' has it at 410 nm"
    for refused in ({"weights": str(other)}, {}):
        with pytest.raises(EngineMismatchError, match=words):
            built(calibration, other, **refused)
    assert words in specs(other)[NAME].unfit(calibration)


def test_weights_given_as_a_file_are_used(weights: dict[System, Path], tmp_path: Path) -> None:
    path, calibration = weights[System.DD_CASSI], bench(System.DD_CASSI)
    with built(calibration, weights=str(path), tile="128", brightness="0.5") as engine:
        info = engine.info
        assert (info.name, info.calibration_id) == (NAME, calibration.id)
        assert info.runtime == "torch on CPU, fp32, tiles of 128 px"
        assert info.options == (
            ("weights", "dd-cassi.safetensors"),
            ("frames", "video"),
            ("hop", "1"),
            ("output", "latest"),
            ("runtime", "torch"),
            ("device", "cpu"),
            ("precision", "fp32"),
            ("tile", "128"),
            ("brightness", "0.5"),
        )
    with pytest.raises(EngineMismatchError, match="made for another system: sd-cassi, expected dd-cassi"):
        built(calibration, weights=str(weights[System.SD_CASSI]))
    with pytest.raises(WeightsError, match="does not exist"):
        built(calibration, weights=str(tmp_path / "absent.safetensors"))
