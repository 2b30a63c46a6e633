"""Device operations and the pipeline of frames on a GPU: the contract, real streams, steady memory."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from device_contract import DeviceOpsContract

from livecassi.engines.runtimes.contract import TensorSpec
from livecassi.engines.runtimes.device.ops import DeviceOps, Stream
from livecassi.engines.runtimes.device.pipeline import FramePipeline
from livecassi.engines.runtimes.device.torch_ops import TorchOps

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

T, H, W = 3, 37, 53


def pycuda_ops() -> DeviceOps:
    pytest.importorskip("pycuda", reason="pycuda is not installed")
    from livecassi.engines.runtimes.device.pycuda_ops import PycudaOps

    return PycudaOps()


EACH = pytest.mark.parametrize("make_ops", [TorchOps, pycuda_ops], ids=["torch", "pycuda"])


class TestTorchOps(DeviceOpsContract):
    @pytest.fixture
    def ops(self) -> DeviceOps:
        return TorchOps()


class TestPycudaOps(DeviceOpsContract):
    @pytest.fixture
    def ops(self) -> DeviceOps:
        return pycuda_ops()


class OnDevice:
    """Device memory as torch is shown it."""

    def __init__(self, address: int, spec: TensorSpec) -> None:
        kind = {"uint8": "|u1", "float32": "<f4"}[spec.dtype]
        self.__cuda_array_interface__ = {
            "shape": spec.shape,
            "typestr": kind,
            "data": (address, False),
            "version": 3,
            "strides": None,
        }


class Summed:
    """A network by torch, of irregular duration: pictures are the sum of the window, weighted by place."""

    inputs = (TensorSpec("frames", (T, H, W, 2), "uint8"), TensorSpec("offset", (H, W)))
    outputs = (TensorSpec("pictures", (1, H, W)), TensorSpec("cubes", (1, 2, H, W)))

    def __init__(self) -> None:
        self._bound: dict[str, int] = {}
        self._random = np.random.default_rng(4)

    def bind(self, name: str, address: int) -> None:
        self._bound[name] = address

    def enqueue(self, stream: Stream) -> None:
        frames, offset, pictures, cubes = (
            torch.as_tensor(OnDevice(self._bound[spec.name], spec), device="cuda")
            for spec in (*self.inputs, *self.outputs)
        )
        with torch.cuda.stream(torch.cuda.ExternalStream(stream.handle)):
            torch.cuda._sleep(int(self._random.integers(0, 3_000_000)))  # up to 2 ms
            pixels = frames[..., 0].float() + 256 * frames[..., 1].float()
            places = torch.tensor([1.0, 10.0, 100.0], device="cuda").view(T, 1, 1)
            pictures.copy_((pixels * places).sum(0, keepdim=True) + offset)
            cubes.copy_(torch.stack([pictures[0], 2 * pictures[0]])[None])


def frame(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    return ((np.arange(H * W).reshape(H, W) * 7 + 13 * number) % 4096).astype(np.uint16)


def expected(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    window = np.stack([frame(max(0, number - back)) for back in (2, 1, 0)]).astype(np.float32)
    total: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = np.tensordot([1.0, 10.0, 100.0], window, 1) + 0.5
    return total


@pytest.fixture
def settled() -> Iterator[None]:
    torch.cuda.synchronize()
    yield
    torch.cuda.synchronize()


@EACH
@pytest.mark.usefixtures("settled")
def test_results_belong_to_their_frames_while_streams_overlap(make_ops: Callable[[], DeviceOps]) -> None:
    ops, tickets = make_ops(), []
    with ops:
        pipeline = FramePipeline(Summed(), ops)
        pipeline.configure({"offset": np.full((H, W), 0.5, np.float32)})
        for number in range(150):
            if len(tickets) == 2:
                ticket = tickets.pop(0)
                np.testing.assert_allclose(pipeline.result(ticket)["pictures"][0], expected(ticket.number), rtol=1e-6)
            pipeline.take(frame(number))
            tickets.append(pipeline.start(cubes=number % 5 == 0))
        for ticket in tickets:
            pipeline.result(ticket)
    ops.close()


@pytest.mark.usefixtures("settled")
def test_a_running_pipeline_takes_no_memory() -> None:
    ops = TorchOps()
    with ops:
        pipeline = FramePipeline(Summed(), ops)
        pipeline.configure({"offset": np.zeros((H, W), np.float32)})

        def run() -> tuple[int, int]:
            for number in range(50):
                pipeline.take(frame(number))
                pipeline.result(pipeline.start())
            torch.cuda.synchronize()
            stats = torch.cuda.memory_stats()
            return stats["num_device_alloc"], stats["allocated_bytes.all.current"]

        first = run()
        assert [run() for _ in range(4)] == [first] * 4
    ops.close()


@EACH
@pytest.mark.usefixtures("settled")
def test_closing_gives_memory_back(make_ops: Callable[[], DeviceOps]) -> None:
    with make_ops() as warm:
        warm.alloc(1)
    warm.close()
    free = torch.cuda.mem_get_info()[0]
    for _ in range(3):
        ops = make_ops()
        with ops:
            ops.alloc(256 << 20)
            assert torch.cuda.mem_get_info()[0] <= free - (200 << 20)
        ops.close()
        assert torch.cuda.mem_get_info()[0] >= free - (32 << 20)


@pytest.mark.usefixtures("settled")
def test_pycuda_and_torch_share_a_context() -> None:
    ops = pycuda_ops()
    tensor = torch.arange(6, dtype=torch.float32, device="cuda")
    with ops:
        got, stream, done = ops.pinned((6,), np.float32), ops.stream(), ops.event()
        buffer = ops.alloc(24)
        torch.as_tensor(OnDevice(buffer.address, TensorSpec("x", (6,))), device="cuda").copy_(2 * tensor)
        torch.cuda.synchronize()
        ops.copy_out(got, buffer, stream)
        ops.record(done, stream)
        ops.synchronize(done)
        np.testing.assert_array_equal(got, 2 * np.arange(6))
    ops.close()
    assert (tensor + 1).sum().item() == 21  # torch goes on


@pytest.mark.usefixtures("settled")
def test_a_captured_graph_replays_the_work() -> None:
    ops = TorchOps()
    with ops:
        network, stream, done = Summed(), ops.stream(), ops.event()
        tensors = (*network.inputs, *network.outputs)
        buffers = {spec.name: ops.alloc(spec.nbytes) for spec in tensors}
        frames, offset = ops.pinned((T, H, W, 2), np.uint8), ops.pinned((H, W), np.float32)
        for name, buffer in buffers.items():
            network.bind(name, buffer.address)
        got = ops.pinned((1, H, W), np.float32)

        def upload(number: int) -> None:
            offset[:] = number
            frames[:] = number
            ops.copy_in(buffers["frames"], frames, stream)
            ops.copy_in(buffers["offset"], offset, stream)

        def copy_back() -> None:
            ops.copy_out(got, buffers["pictures"], stream)
            ops.record(done, stream)
            ops.synchronize(done)

        def work() -> None:
            ops.copy_across(buffers["cubes"], buffers["offset"], H * W * 4, stream)
            ops.copy_across(buffers["pictures"], buffers["cubes"], H * W * 4, stream)

        upload(1)
        work()
        copy_back()
        replay = ops.capture(work, stream)
        for number in (2, 3):
            upload(number)
            replay()
            copy_back()
            assert (got == number).all()
    ops.close()
