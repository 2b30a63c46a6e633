"""The live network: the same in torch and on every runtime, an engine for benches of any size and number of bands."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from weight_files import save_live

from livecassi.app.engine_list import reflectance_basis
from livecassi.calibration import Calibration, CalibrationHeader, Measurement, System, sensing_model
from livecassi.engines import Engine, EngineError, EngineMismatchError, EngineUnavailableError, build_engine
from livecassi.engines.errors import WeightsError
from livecassi.engines.gap_tv.row_pool import RowPool
from livecassi.engines.networks.live.curves import CURVES, Curves, learned_curves
from livecassi.engines.networks.live.graph import LiveGraph
from livecassi.engines.networks.live.network import LiveNetwork
from livecassi.engines.networks.live.spec import RUNTIMES, live_spec
from livecassi.engines.networks.live.start import Start
from livecassi.engines.precision import Precision
from livecassi.engines.registry import EngineSpec
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.openvino_cpu import OpenVinoCpu, OpenVinoProcessor
from livecassi.engines.weights import TrainingState, load_arrays, load_state, read_card, save_weights

SYSTEMS = (System.SD_CASSI, System.DD_CASSI)
TRAINED_NM = np.linspace(450, 650, 21)
HEIGHT, WIDTH = 44, 52  # not multiples of 8


def bench(system: System, bands: int = 21, span_px: float = 40.0) -> Calibration:
    shifts = np.linspace(0, span_px, bands).astype(np.float32)
    columns = WIDTH + (0 if system.single_disperser else int(np.ceil(span_px)))
    mask = np.random.default_rng(5).integers(0, 2, (HEIGHT, columns)).astype(np.float32)
    response = np.linspace(0.6, 1.0, bands).astype(np.float32)
    wavelengths = np.linspace(450, 650, bands).astype(np.float32)
    return Calibration(CalibrationHeader(system=system, name="live bench"), wavelengths, mask, shifts, response)


def scene(calibration: Calibration, moved: int = 0) -> np.ndarray:
    bands, height, width = calibration.cube_shape
    c, i, j = np.ogrid[:bands, :height, :width]
    blocks = ((i + moved) // 11 + j // 13) % 3
    return np.asarray(0.2 + 0.3 * blocks * (1 + np.sin(c / 3 + blocks)) / 2, np.float32)


def measured(calibration: Calibration, index: int = 0, moved: int = 0) -> Measurement:
    return Measurement(sensing_model(calibration).forward(scene(calibration, moved)), calibration.id, index)


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> System:
    found: System = request.param
    return found


@pytest.fixture
def weights(system: System, tmp_path: Path) -> Path:
    return save_live(tmp_path / f"{system}.safetensors", system, TRAINED_NM)


def specs(weights: Path) -> Mapping[str, EngineSpec]:
    class Found:
        path, card = weights, read_card(weights)

    return {"live": live_spec(lambda _, system: [Found()] if Found.card.system == system else [])}


def engine(found: Path, calibration: Calibration, **options: str) -> Engine:
    return build_engine(specs(found), "live", calibration, {"threads": "1", **options})


# ---- the network in two runtimes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_runtimes_compute_what_torch_computes(weights: Path, runtime: RuntimeName) -> None:
    _, tensors = load_arrays(weights)
    curves = Curves(*(tensors.pop(name) for name in ("wavelengths_nm", "unit", "spread")))
    network = LiveNetwork(curves).eval()
    network.load_state_dict(load_state(weights)[1])
    features = np.random.default_rng(3).normal(size=(21, 40, 56)).astype(np.float32)
    with torch.inference_mode():
        wanted = network(torch.from_numpy(features)[None])[0].numpy()
    graph = LiveGraph(tensors, (21, 40, 56), Precision.FP32, 1, runtime)
    assert graph.runtime.name is runtime
    graph.features[:] = features
    assert wanted.std() > 1e-3
    np.testing.assert_allclose(graph.run(), wanted, atol=1e-5 * np.abs(wanted).max())
    fast = LiveGraph(tensors, (21, 40, 56), Precision.BF16, 1, runtime)
    fast.features[:] = features
    assert np.abs(fast.run() - wanted).max() < 0.05 * np.abs(wanted).max()


def test_a_cpu_that_only_imitates_bf16_computes_in_fp32(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, tensors = load_arrays(weights)
    network = {name: values for name, values in tensors.items() if name not in CURVES}
    monkeypatch.setattr(OpenVinoProcessor, "precision", lambda self, _: Precision.FP32)
    assert LiveGraph(network, (21, 16, 24), Precision.BF16, 1).runtime.precision is Precision.FP32


def test_another_runtime_takes_the_place_of_one_that_fails(
    weights: Path, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: OpenVinoCpu) -> None:
        raise EngineUnavailableError("OpenVINO cannot be loaded")

    monkeypatch.setattr(OpenVinoCpu, "activate", refuse)
    with engine(weights, bench(system)) as live:
        assert live.info.runtime.startswith("ONNX Runtime")
        assert ("runtime", "onnxruntime") in live.info.options
    with pytest.raises(EngineUnavailableError, match="cannot be loaded"):
        engine(weights, bench(system), runtime="openvino")


def test_an_untrained_network_corrects_nothing() -> None:
    network = LiveNetwork(learned_curves(reflectance_basis(), TRAINED_NM, True))
    assert torch.equal(network(torch.randn(1, 21, 16, 24)), torch.zeros(1, 12, 16, 24))


def test_it_stays_below_four_billion_multiplications_at_256() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = LiveNetwork(learned_curves(reflectance_basis(), TRAINED_NM, True))
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 21, 256, 256))
    assert 1e9 < counter.get_total_flops() / 2 < 4e9


# ---- curves and starts ---------------------------------------------------------------------------------------------


def test_curves_are_orthonormal_and_linear_between_their_wavelengths(system: System) -> None:
    curves = learned_curves(reflectance_basis(), TRAINED_NM, system.single_disperser)
    np.testing.assert_allclose(curves.unit.T @ curves.unit, np.eye(12), atol=1e-5)
    np.testing.assert_allclose(curves.at(TRAINED_NM), curves.unit, atol=1e-6)
    middle = curves.at((TRAINED_NM[3:5].mean(),))[0]
    np.testing.assert_allclose(middle, curves.unit[3:5].mean(axis=0), atol=1e-6)


def test_features_hold_coefficients_that_explain_the_measurement(system: System) -> None:
    calibration = bench(system)
    curves = learned_curves(reflectance_basis(), calibration.wavelengths_nm, system.single_disperser)
    measurement = measured(calibration)
    with RowPool(1) as pool:
        started = Start(calibration, curves, pool).follow(measurement.values, 1)
    rank = len(curves.spread)
    cube = started.brightness * np.tensordot(curves.unit[:, :rank], started.features[:rank], 1)
    seen = sensing_model(calibration).forward(cube)
    assert np.linalg.norm(seen - measurement.values) < 0.05 * np.linalg.norm(measurement.values)
    step = started.brightness * np.tensordot(curves.unit[:, :rank], started.features[rank : 2 * rank], 1)
    nearer = sensing_model(calibration).forward(cube + step)
    assert np.linalg.norm(nearer - measurement.values) < np.linalg.norm(seen - measurement.values)


# ---- the engine ----------------------------------------------------------------------------------------------------


def test_the_cube_is_the_start_with_the_corrections_of_the_network(system: System, weights: Path) -> None:
    calibration = bench(system)
    with engine(weights, calibration, precision="fp32") as live:
        cube = live.reconstruct(measured(calibration))
    assert cube is not None
    card, tensors = load_arrays(weights)
    curves = Curves(*(tensors[name] for name in ("wavelengths_nm", "unit", "spread")))
    network = LiveNetwork(curves).eval()
    network.load_state_dict(load_state(weights)[1])
    with RowPool(1) as pool:
        started = Start(calibration, curves, pool).follow(measured(calibration).values, 0)
    padded = np.pad(started.features, ((0, 0), (0, -HEIGHT % 8), (0, -WIDTH % 8)), mode="edge")
    with torch.inference_mode():
        coefficients = network(torch.from_numpy(padded)[None])[0].numpy()[:, :HEIGHT, :WIDTH]
    assert np.abs(coefficients).max() > 1e-3
    coefficients[: len(curves.spread)] += started.features[: len(curves.spread)]
    wanted = started.brightness * np.tensordot(curves.unit, coefficients, 1)
    np.testing.assert_allclose(cube.values, wanted, atol=1e-4)
    assert card.bands == 21


@pytest.mark.parametrize("bands", [13, 34])
def test_any_number_of_bands_in_the_trained_range_will_do(system: System, weights: Path, bands: int) -> None:
    calibration = bench(system, bands)
    with engine(weights, calibration) as live:
        cube = live.reconstruct(measured(calibration))
    assert cube is not None
    assert cube.values.shape == (bands, HEIGHT, WIDTH)
    truth = scene(calibration)
    assert np.sqrt(np.mean((cube.values - truth) ** 2)) < 0.15


def test_ten_times_the_light_gives_ten_times_the_cube(weights: Path, system: System) -> None:
    calibration = bench(system)
    one = measured(calibration)
    with engine(weights, calibration, live="off") as live:
        first = live.reconstruct(one)
        second = live.reconstruct(replace(one, values=one.values * 10))
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(second.values, 10 * first.values, rtol=2e-2, atol=2e-2)


def test_a_dark_measurement_gives_a_dark_cube(weights: Path, system: System) -> None:
    calibration = bench(system)
    with engine(weights, calibration) as live:
        cube = live.reconstruct(Measurement(np.zeros(calibration.measurement_shape, np.float32), calibration.id))
    assert cube is not None
    assert not cube.values.any()


def test_a_bench_that_lets_nothing_through_gives_finite_cubes(tmp_path: Path) -> None:
    weights = save_live(tmp_path / "w.safetensors", System.DD_CASSI, TRAINED_NM)
    plain = bench(System.DD_CASSI)
    mask = np.zeros((HEIGHT, plain.mask.shape[1] + 3), np.float32)
    mask[0, 0] = 1
    blind = replace(plain, mask=mask, dispersion_px=plain.dispersion_px + 3)
    with engine(weights, blind) as live:
        cube = live.reconstruct(Measurement(np.full(blind.measurement_shape, 0.01, np.float32), blind.id))
    assert cube is not None
    assert np.isfinite(cube.values).all()


def test_a_resting_scene_gets_as_good_as_a_cube_that_stands_alone(weights: Path, system: System) -> None:
    calibration = bench(system)
    with engine(weights, calibration, iterations="10") as live, engine(weights, calibration) as alone:
        for index in range(1, 25):
            cube = live.reconstruct(measured(calibration, index))
        wanted = alone.reconstruct(measured(calibration, 1))
    assert cube is not None
    assert wanted is not None
    truth = scene(calibration)
    errors = [float(np.sqrt(np.mean((found.values - truth) ** 2))) for found in (cube, wanted)]
    assert errors[0] < 1.1 * errors[1]


# ---- refusals ------------------------------------------------------------------------------------------------------


def test_a_bench_outside_the_trained_range_is_refused_in_words(weights: Path, system: System) -> None:
    calibration = bench(system)
    spec = specs(weights)["live"]
    assert spec.unfit(calibration) == ""
    redder = replace(calibration, wavelengths_nm=calibration.wavelengths_nm + 60)
    assert "450 to 650 nm" in spec.unfit(redder)
    with pytest.raises(EngineMismatchError, match="gap-tv"):
        engine(weights, redder)
    stretched = bench(system, span_px=52)
    assert "px per nm" in spec.unfit(stretched)
    assert spec.wanting(stretched) == "weights"


def test_without_weights_it_says_what_to_do(system: System) -> None:
    spec = live_spec(lambda *_: [])
    assert "livecassi train" in spec.unfit(bench(system))
    assert spec.weights.startswith("missing")
    with pytest.raises(EngineUnavailableError, match="no trained weights"):
        build_engine({"live": spec}, "live", bench(system))


def test_untrained_weights_and_those_of_another_system_are_refused(tmp_path: Path) -> None:
    untrained = save_live(tmp_path / "u.safetensors", System.SD_CASSI, TRAINED_NM, state=TrainingState.UNTRAINED)
    other = save_live(tmp_path / "o.safetensors", System.DD_CASSI, TRAINED_NM)
    with pytest.raises(EngineUnavailableError, match="untrained"):
        engine(other, bench(System.SD_CASSI), weights=str(untrained))
    with pytest.raises(EngineMismatchError, match="another system: dd-cassi, expected sd-cassi"):
        engine(untrained, bench(System.SD_CASSI, span_px=20), weights=str(other))


def test_a_file_with_other_tensors_is_refused_by_name(tmp_path: Path) -> None:
    path = save_live(tmp_path / "w.safetensors", System.SD_CASSI, TRAINED_NM)
    card, state = load_state(path)
    for change in ({"strange": torch.zeros(2)}, None):
        changed = {**state, **change} if change else {k: v for k, v in state.items() if k != "enter.weight"}
        save_weights(path, card, changed)
        with pytest.raises(WeightsError, match="strange" if change else r"enter\.weight"):
            engine(path, bench(System.SD_CASSI))


@pytest.mark.parametrize("name", ["spread", "unit", "wavelengths_nm", "feature_scale", "result_scale", "leave.weight"])
def test_tensors_of_another_shape_are_refused_before_the_first_frame(tmp_path: Path, name: str) -> None:
    path = save_live(tmp_path / "w.safetensors", System.SD_CASSI, TRAINED_NM)
    card, state = load_state(path)
    save_weights(path, card, {**state, name: state[name][:-1].clone()})
    with pytest.raises(WeightsError, match="choose other weights"):
        engine(path, bench(System.SD_CASSI))


def test_an_openvino_that_cannot_be_loaded_says_why(
    weights: Path, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineUnavailableError, match=r"OpenVINO cannot be used here .*; install it with: pip install"):
        engine(weights, bench(system), runtime="openvino")


def test_weights_for_one_wavelength_serve_no_bench(tmp_path: Path) -> None:
    path = save_live(tmp_path / "w.safetensors", System.SD_CASSI, TRAINED_NM)
    card, state = load_state(path)
    save_weights(path, card.model_copy(update={"bands": 1, "wavelengths_nm": (500.0,)}), state)
    assert "which wavelengths" in specs(path)["live"].unfit(bench(System.SD_CASSI))


def test_a_closed_engine_says_so(weights: Path, system: System) -> None:
    calibration = bench(system)
    with engine(weights, calibration) as live:
        live.reconstruct(measured(calibration))
    with pytest.raises(EngineError, match="this engine was closed"):
        live.reconstruct(measured(calibration, 1))


def test_cubes_that_were_handed_out_do_not_change(weights: Path, system: System) -> None:
    calibration = bench(system)
    with engine(weights, calibration) as live:
        cube = live.reconstruct(measured(calibration, 1))
        assert cube is not None
        before = cube.values.copy()
        live.reconstruct(measured(calibration, 2, moved=3))
    np.testing.assert_array_equal(cube.values, before)


def test_arrays_are_the_tensors_without_torch(weights: Path) -> None:
    _, arrays = load_arrays(weights)
    _, state = load_state(weights)
    assert arrays.keys() == state.keys()
    for name, values in arrays.items():
        np.testing.assert_array_equal(values, state[name].numpy())
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 255
    weights.write_bytes(damaged)
    with pytest.raises(WeightsError, match="changed or damaged"):
        load_arrays(weights)


SIGNALLED = """
import gc, os, signal, sys, threading
from pathlib import Path
from livecassi.engines.networks.live.graph import LiveGraph
from livecassi.engines.precision import Precision
from livecassi.engines.weights import load_arrays
_, tensors = load_arrays(Path(sys.argv[1]))
tensors = {name: values for name, values in tensors.items() if name not in ("wavelengths_nm", "unit", "spread")}
signal.signal(signal.SIGUSR1, lambda *_: print("handled"))
graphs = [LiveGraph(tensors, (21, 16, 24), Precision.FP32, 1) for _ in range(2)]
for graph in graphs:
    graph.run()
del graph
thread = threading.Thread(target=lambda: (graphs.pop(0), gc.collect()))
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGUSR1)
graphs.clear()
gc.collect()
os.kill(os.getpid(), signal.SIGUSR1)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="signals of POSIX")
def test_signals_are_heard_after_networks_were_closed_in_any_order_and_thread(weights: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", SIGNALLED, str(weights)], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (0, "handled\nhandled\n"), ended.stderr
