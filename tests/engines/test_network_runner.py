"""Where and how a network runs: precision, tiles where memory is small, and what is said where it is not enough."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from livecassi.calibration import Calibration
from livecassi.engines import EngineError
from livecassi.engines.networks import runner as runner_module
from livecassi.engines.networks.memory import free_memory
from livecassi.engines.networks.pg_svrt import PreparedMask
from livecassi.engines.networks.runner import Placing, Runner, fitting_tile


class Scripted(nn.Module):
    """In the place of a network: `work` is called with each measurement; the cubes are zeros."""

    def __init__(self, work: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.work = work

    def for_bench(self, calibration: Calibration, device: torch.device | str = "cpu") -> PreparedMask:
        raise AssertionError("it is prepared by hand")

    def forward(self, measurement: Tensor, mask: PreparedMask) -> Tensor:
        self.work(measurement)
        return torch.zeros(1, 3, 1, *mask.size)


def scripted(work: Callable[[Tensor], object], placing: Placing, side: int = 300) -> Callable[[], Tensor]:
    runner = Runner(Scripted(work), lambda _: PreparedMask(*2 * (torch.ones(side, side + 1, 1),)), placing)
    return lambda: runner.run(torch.zeros(1, 3, side, side + 1))


@pytest.mark.parametrize(
    ("tile", "side", "advice"),
    [(0, 300, "choose tile=256$"), (256, 300, "choose tile=128$"), (128, 300, "smaller region"), (0, 40, "smaller")],
)
def test_memory_that_ran_out_is_an_error_with_a_way_out(tile: int, side: int, advice: str) -> None:
    features: list[weakref.ref[Tensor]] = []

    def allocate(measurement: Tensor) -> None:
        large = torch.zeros(1000)
        features.append(weakref.ref(large))
        torch.empty(1 << 60, dtype=torch.uint8)

    run = scripted(allocate, Placing("cpu", tile=tile), side)
    with pytest.raises(EngineError, match=advice) as refusal:
        run()
    assert f"does not hold frames of {side} x {side + 1} px" in str(refusal.value)
    gc.collect()
    assert features[0]() is None, "the error must not hold what did not fit"


def test_other_faults_are_told_as_they_are() -> None:
    def fail(measurement: Tensor) -> None:
        raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError, match="a fault of ours"):
        scripted(fail, Placing("cpu"))()


def test_fp32_is_fp32_and_leaves_the_libraries_of_the_gpu_in_use() -> None:
    seen: list[tuple[bool, bool]] = []

    def look(measurement: Tensor) -> None:
        seen.append((torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32))

    before = torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32
    scripted(look, Placing("cpu"))()
    assert seen == [(True, False)]
    assert (torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32) == before


def test_tiles_are_chosen_only_where_a_frame_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    free = free_memory()
    assert free is None or free > 1 << 20
    for amount, tile in ((1 << 40, 0), (1 << 30, 256), (None, 0)):
        monkeypatch.setattr(runner_module, "free_memory", lambda amount=amount: amount)
        assert fitting_tile("cpu", (1024, 1024), 3) == tile
    assert fitting_tile("cpu", (64, 64), 3) == 0
