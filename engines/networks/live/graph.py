"""The live network in OpenVINO, built from its tensors: no torch is needed to run it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import EngineUnavailableError, WeightsError
from livecassi.engines.runtimes.openvino_thread import in_a_thread_of_its_own

if TYPE_CHECKING:
    import openvino as ov

Array32 = NDArray[np.float32]


class LiveGraph:
    """The compiled network for features of one shape; `run` gives the corrections `(R, H, W)`.

    `precision` is fp32 or bf16, which is twice as fast where the CPU multiplies it. Where it does not fp32 is taken
    instead: a CPU that only imitates bf16 is slower with it.
    """

    def __init__(
        self, tensors: Mapping[str, Array32], shape: tuple[int, int, int], precision: str, threads: int
    ) -> None:
        try:
            import openvino as ov
        except ImportError as error:
            raise EngineUnavailableError(
                f"the live network needs openvino, which cannot be loaded ({error}); install it again with: "
                "pip install --force-reinstall openvino"
            ) from error
        try:
            model = _model(tensors, shape)
        except (RuntimeError, ValueError) as error:
            raise WeightsError(
                "the weights hold tensors of other shapes than the live network's; they may be of another version of "
                "livecassi: choose other weights, see 'livecassi weights list'"
            ) from error
        try:
            compiled = in_a_thread_of_its_own(lambda: _compiled(model, precision, threads))
        except RuntimeError as error:
            raise EngineUnavailableError(
                f"OpenVINO cannot prepare the live network for features {shape} here: {error}; choose gap-tv"
            ) from error
        self.precision = "bf16" if compiled.get_property("INFERENCE_PRECISION_HINT") == ov.Type.bf16 else "fp32"
        self._request = compiled.create_infer_request()
        self._features = np.zeros((1, *shape), np.float32)
        self._request.set_input_tensor(ov.Tensor(self._features, shared_memory=True))

    @property
    def features(self) -> Array32:
        """Where the features `(F, H, W)` are written before `run`."""
        inside: Array32 = self._features[0]
        return inside

    def run(self) -> Array32:
        """The corrections `(R, H, W)`; the array is overwritten by the next call."""
        self._request.infer()
        result: Array32 = self._request.get_output_tensor().data[0]
        return result


def _model(tensors: Mapping[str, Array32], shape: tuple[int, int, int]) -> object:
    """The graph of `LiveNetwork.forward`, its scales folded into the first and the last convolution."""
    import openvino as ov
    from openvino import opset13 as ops

    used: set[str] = set()

    def tensor(name: str) -> Array32:
        if name not in tensors:
            raise WeightsError(f"the weights hold no tensor '{name}'; they are not those of the live network")
        used.add(name)
        return tensors[name]

    def convolution(x: object, name: str, gain: Array32 | None = None, out: Array32 | None = None) -> object:
        kernel, bias = tensor(f"{name}.weight"), tensor(f"{name}.bias")
        kernel = kernel if gain is None else kernel * gain[None, :, None, None]
        if out is not None:
            kernel, bias = kernel * out[:, None, None, None], bias * out
        step = 2 if kernel.shape[-1] == 2 else 1
        edge = [kernel.shape[-1] // 2 if step == 1 else 0] * 2
        y = ops.convolution(x, ops.constant(np.ascontiguousarray(kernel)), [step] * 2, edge, edge, [1, 1])
        return ops.add(y, ops.constant(bias[None, :, None, None]))

    def blocks(x: object, name: str) -> object:
        for place in range(_count(tensors, name)):
            inner = ops.relu(convolution(x, f"{name}.{place}.first"))
            x = ops.add(x, convolution(inner, f"{name}.{place}.second"))
        return x

    source = ops.parameter([1, *shape], np.float32)
    gain = np.repeat(1.0 / tensor("feature_scale"), 4).astype(np.float32)
    x = convolution(ops.space_to_depth(source, "depth_first", 2), "enter", gain)
    kept = []
    for level in range(_count(tensors, "down")):
        x = blocks(x, f"encode.{level}")
        kept.append(x)
        x = convolution(x, f"down.{level}")
    x = blocks(x, "middle")
    for level in reversed(range(len(kept))):
        raised = ops.depth_to_space(convolution(x, f"up.{level}"), "depth_first", 2)
        x = blocks(ops.add(raised, kept[level]), f"decode.{level}")
    x = convolution(x, "leave", out=np.repeat(tensor("result_scale"), 4).astype(np.float32))
    model = ov.Model([ops.depth_to_space(x, "depth_first", 2)], [source], "live")
    if left := sorted(set(tensors) - used):
        raise WeightsError(f"the weights hold tensors that the live network does not know: {', '.join(left[:3])}")
    return model


def _count(tensors: Mapping[str, Array32], name: str) -> int:
    """How many numbered parts `name.0`, `name.1`, ... there are."""
    return len({key.removeprefix(f"{name}.").split(".")[0] for key in tensors if key.startswith(f"{name}.")})


def _compiled(model: "ov.Model", precision: str, threads: int) -> "ov.CompiledModel":
    import openvino as ov

    core = ov.Core()
    native = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    settings = {
        "INFERENCE_PRECISION_HINT": ov.Type.bf16 if precision == "bf16" and native else ov.Type.f32,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
    }
    return core.compile_model(model, "CPU", settings)
