"""PG-SVRT against the published outputs, against a literal reading of its description, and against itself."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from livecassi.calibration import System
from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.networks.pg_svrt import PGSVRT, windows
from livecassi.engines.networks.pg_svrt.cost import count_macs
from livecassi.engines.networks.pg_svrt.literal import literal_forward

BOTH = (System.DD_CASSI, System.SD_CASSI)
CASES = ("case_a32x32", "case_b64x96")
SHIFT = 58

# Activations of the released modules, and the module of ours that gives or is given them.
GIVEN_BY = (
    "mgdp",
    "dsr.down1.0.cdpa",
    "dsr.down1.0",
    "dsr.down1",
    "dsr.down2.0.cdpa",
    "dsr.down2",
    "dsr.bottleneck_local",
    "dsr.bottleneck_swin",
    "dsr.up2",
    "dsr.up1.0.cdpa",
    "dsr.up1",
)
GIVEN_TO = {"dsr.conv_in": "dsr.down1", "dsr.downsample1": "dsr.down2"}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Thousands of short loops on as many threads as cores stall for minutes where another program uses a core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def golden_folder(shared: Path, system: System) -> Path:
    return shared / "golden" / ("pgsvrt_sd" if system.single_disperser else "pgsvrt_dd")


def golden_state(shared: Path, system: System) -> dict[str, Tensor]:
    return load_file(golden_folder(shared, system) / "weights.safetensors")


def golden_case(shared: Path, system: System, case: str) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Measurement `(1, 3, H, W')`, mask 2-D, and what came out, by name."""
    with np.load(golden_folder(shared, system) / f"{case}.npz") as arrays:
        mask = torch.from_numpy(arrays["mask2d"].astype(np.float32))
        names = [name for name in arrays.files if name == "out" or name.startswith("act.")]
        return torch.from_numpy(arrays["meas"])[None], mask, {name: torch.from_numpy(arrays[name]) for name in names}


def loaded(system: System, state: dict[str, Tensor]) -> PGSVRT:
    network = PGSVRT(system).eval()
    network.load_state_dict(state)
    return network


def perturbed(system: System, seed: int) -> PGSVRT:
    """A network in float64 whose biases and gates act."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PGSVRT(system).double().eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.02 * torch.randn_like(parameter))
    return network


def scene(system: System, height: int, width: int, seed: int, clips: int = 1) -> tuple[Tensor, Tensor]:
    """Random measurements and a random mask in float64, half of it closed and the rest grey."""
    generator = torch.Generator().manual_seed(seed)
    wide, mask_width = (width + SHIFT, width) if system.single_disperser else (width, width + SHIFT)
    measurement = 10 * torch.rand(clips, 3, height, wide, generator=generator, dtype=torch.float64)
    mask = torch.rand(height, mask_width, generator=generator, dtype=torch.float64) * 2 - 1
    return measurement, mask.clamp(min=0)


def assert_golden(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    error = (found - expected).double()
    assert error.square().mean().sqrt() <= 2e-6
    assert error.abs().max() <= 1e-4, f"{int((error.abs() > 1e-5).sum())} values of {error.numel()} differ by > 1e-5"


def assert_same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("system", System)
def test_outputs_are_the_published_ones(shared: Path, system: System, case: str) -> None:
    measurement, mask, expected = golden_case(shared, system, case)
    network = loaded(system, golden_state(shared, system))
    with torch.inference_mode():
        assert_golden(network(measurement, mask)[0], expected["out"])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("system", BOTH)
def test_the_literal_reading_gives_the_published_outputs(shared: Path, system: System, case: str) -> None:
    measurement, mask, expected = golden_case(shared, system, case)
    with torch.inference_mode():
        found = literal_forward(golden_state(shared, system), system, measurement, mask)
    assert_golden(found[0], expected["out"])


@pytest.mark.parametrize("system", BOTH)
def test_activations_are_the_published_ones(shared: Path, system: System) -> None:
    measurement, mask, expected = golden_case(shared, system, "case_a32x32")
    network = loaded(system, golden_state(shared, system))
    found: dict[str, Tensor] = {}

    def keep_output(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        return lambda module, inputs, output: found.update({name: output})

    def keep_input(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda module, inputs: found.update({name: inputs[0]})

    for name in GIVEN_BY:
        network.get_submodule(name).register_forward_hook(keep_output(name))
    for name, receiver in GIVEN_TO.items():
        network.get_submodule(receiver).register_forward_pre_hook(keep_input(name))
    with torch.inference_mode():
        network(measurement, mask)

    published = {name.removeprefix("act.") for name in expected} - {"out"}
    assert set(found) == published - {"dsr.conv_out"}  # the last convolution is added up at once
    for name, features in found.items():
        wanted = expected[f"act.{name}"]
        assert_golden(features if name.endswith("cdpa") else features[0].movedim(-1, 1), wanted)


@pytest.mark.parametrize("system", BOTH)
def test_parameters_are_those_of_the_released_code(shared: Path, system: System) -> None:
    lines = (shared / "specs" / "pg-svrt-state-dict.tsv").read_text().splitlines()
    expected = {name: shape for name, shape, _ in (line.split("\t") for line in lines)}
    network = PGSVRT(system)
    assert {name: str(tuple(tensor.shape)) for name, tensor in network.state_dict().items()} == expected
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_476_966
    assert not list(network.buffers())


def test_a_checkpoint_of_data_parallel_training_fits(shared: Path) -> None:
    state = golden_state(shared, System.DD_CASSI)
    network = loaded(System.DD_CASSI, {f"module.{name}": tensor for name, tensor in state.items()})
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize(("height", "width"), [(17, 50), (48, 72), pytest.param(100, 33, marks=pytest.mark.slow)])
@pytest.mark.parametrize("system", BOTH)
def test_any_size_agrees_with_the_literal_reading(system: System, height: int, width: int) -> None:
    network = perturbed(system, seed=height)
    measurement, mask = scene(system, height, width, seed=width)
    with torch.inference_mode():
        found = network(measurement, mask)
        expected = literal_forward(network.state_dict(), system, measurement, mask)
    assert found.shape == (1, 3, 30, height, width)
    assert found.std() > 0.05
    assert_same(found, expected)


@pytest.mark.parametrize("system", BOTH)
def test_bands_may_see_different_masks(system: System) -> None:
    network = perturbed(system, seed=3)
    measurement, _ = scene(system, 17, 40, seed=4)
    masks = torch.rand(30, 17, 40, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    with torch.inference_mode():
        found = network(measurement, masks)
        assert_same(found, literal_forward(network.state_dict(), system, measurement, masks))
        assert (found - network(measurement, masks.flip(0))).abs().max() > 1e-3


@pytest.mark.parametrize("system", BOTH)
def test_a_mask_by_band_equals_the_mask_it_was_made_of(system: System) -> None:
    network = perturbed(system, seed=6)
    measurement, mask = scene(system, 20, 35, seed=7)
    step = 0 if system.single_disperser else 2
    by_band = torch.stack([mask[:, step * band : step * band + 35] for band in range(30)])
    with torch.inference_mode():
        assert_same(network(measurement, by_band), network(measurement, mask))


@pytest.mark.parametrize("system", BOTH)
def test_a_prepared_mask_serves_many_calls_and_inputs_stay_as_they_are(system: System) -> None:
    network = perturbed(system, seed=8)
    measurement, mask = scene(system, 19, 33, seed=9)
    kept = measurement.clone(), mask.clone()
    with torch.inference_mode():
        prepared = network.prepare(mask)
        pattern, weight = prepared.pattern.clone(), prepared.weight.clone()
        first, second = network(measurement, prepared), network(measurement, prepared)
        assert torch.equal(first, second)
        assert_same(first, network(measurement, mask))
    assert torch.equal(measurement, kept[0])
    assert torch.equal(mask, kept[1])
    assert torch.equal(prepared.pattern, pattern)
    assert torch.equal(prepared.weight, weight)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.uint16, torch.int32])
def test_measurements_of_any_type_are_computed_with_in_that_of_the_parameters(kind: torch.dtype) -> None:
    network = perturbed(System.DD_CASSI, seed=11).float()
    measurement, mask = scene(System.DD_CASSI, 18, 20, seed=12)
    given = measurement.to(kind)
    with torch.inference_mode():
        found = network(given, mask)
        assert found.dtype == torch.float32
        assert_same(found, network(given.float(), mask))
    assert given.dtype == kind


@pytest.mark.parametrize("system", BOTH)
def test_no_clip_gives_no_cube(system: System) -> None:
    measurement, mask = scene(system, 17, 19, seed=13)
    with torch.inference_mode():
        assert perturbed(system, seed=12)(measurement[:0], mask).shape == (0, 3, 30, 17, 19)


@pytest.mark.parametrize("system", BOTH)
def test_clips_of_one_batch_do_not_see_each_other(system: System) -> None:
    network = perturbed(system, seed=10)
    measurement, mask = scene(system, 18, 37, seed=11, clips=2)
    with torch.inference_mode():
        together = network(measurement, mask)
        assert_same(together, torch.cat([network(clip[None], mask) for clip in measurement]))


@pytest.mark.parametrize("system", BOTH)
def test_work_in_pieces_gives_what_work_as_a_whole_gives(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    network = perturbed(system, seed=12)
    measurement, mask = scene(system, 40, 70, seed=13)
    with torch.inference_mode():
        monkeypatch.setattr(windows, "PIECE_PIXELS", 1 << 30)
        whole = network(measurement, mask)
        monkeypatch.setattr(windows, "PIECE_PIXELS", 1500)  # 64 rows by 5, 24 windows by 7: a rest remains
        assert_same(network(measurement, mask), whole)


def test_training_sees_what_inference_sees_and_reaches_all_but_the_gates() -> None:
    network = perturbed(System.DD_CASSI, seed=14)
    measurement, mask = scene(System.DD_CASSI, 33, 40, seed=15)
    with torch.inference_mode():
        expected = network(measurement, mask)
    found = network(measurement, mask)
    assert_same(found.detach(), expected)

    found.square().mean().backward()
    untouched = {name: parameter.numel() for name, parameter in network.named_parameters() if parameter.grad is None}
    assert all(".mlp1." in name or ".mlp2." in name for name in untouched)
    assert (len(untouched), sum(untouched.values())) == (264, 697_944)


@pytest.mark.parametrize(
    ("system", "measurement", "mask", "found", "expected"),
    [
        (System.DD_CASSI, (1, 4, 20, 40), (20, 98), "measurement has shape (1, 4, 20, 40)", "(B, 3, 20, 40)"),
        (System.DD_CASSI, (3, 20, 40), (20, 98), "measurement has shape (3, 20, 40)", "(B, 3, 20, 40)"),
        (System.DD_CASSI, (1, 3, 20, 98), (20, 98), "measurement has shape (1, 3, 20, 98)", "(B, 3, 20, 40)"),
        (System.SD_CASSI, (1, 3, 20, 40), (20, 40), "measurement has shape (1, 3, 20, 40)", "(B, 3, 20, 98)"),
        (System.SD_CASSI, (1, 3, 20, 98), (24, 40), "measurement has shape (1, 3, 20, 98)", "(B, 3, 24, 98)"),
        (System.DD_CASSI, (1, 3, 20, 40), (20, 40), "mask has shape (20, 40)", "at least 17"),
        (System.PMVIS, (1, 3, 20, 74), (20, 16), "mask has shape (20, 16)", "at least 17"),
        (System.SD_CASSI, (1, 3, 20, 98), (28, 20, 40), "mask has shape (28, 20, 40)", "(H, W), (30, H, W) or"),
        (System.NDSSI, (1, 3, 20, 40), (1, 29, 20, 40), "mask has shape (1, 29, 20, 40)", "(H, W), (30, H, W) or"),
        (System.NDSSI, (1, 3, 20, 40), (2, 30, 20, 40), "measurement has shape (1, 3, 20, 40)", "2 clips, as many"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_was_found_and_expected(
    system: System, measurement: tuple[int, ...], mask: tuple[int, ...], found: str, expected: str
) -> None:
    network = PGSVRT(system)
    with pytest.raises(EngineMismatchError) as refusal:
        network(torch.zeros(measurement), torch.zeros(mask))
    assert found in str(refusal.value)
    assert f"expects {expected}" in str(refusal.value)


@pytest.mark.parametrize(("height", "width"), [(64, 32), (17, 50)])
@pytest.mark.parametrize("system", BOTH)
def test_counted_costs_are_those_of_the_literal_reading(system: System, height: int, width: int) -> None:
    state = {name: tensor.to("meta") for name, tensor in PGSVRT(system).state_dict().items()}
    measurement, mask = (part.float().to("meta") for part in scene(system, height, width, seed=16))
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        literal_forward(state, system, measurement, mask)
    assert count_macs(height, width).products * 2 == counter.get_total_flops()


def test_counted_costs_are_the_published_ones() -> None:
    cost = count_macs(256, 256)
    assert cost.products / 1e9 == pytest.approx(89.85, abs=0.005)
    assert cost.published_gimac_per_frame == pytest.approx(28.18, abs=0.005)
    assert count_macs(1024, 512) == cost * 8
