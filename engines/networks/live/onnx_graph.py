"""The live network as an ONNX graph, written from its tensors: no torch is needed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.errors import WeightsError
from livecassi.engines.exporting.graph import GraphWriter, Value

if TYPE_CHECKING:
    import onnx

Array32 = NDArray[np.float32]

MULTIPLE = 8  # of both sides of the features


def live_onnx(tensors: Mapping[str, Array32], shape: tuple[int, int, int]) -> "onnx.ModelProto":
    """The graph of `LiveNetwork.forward` for features of `shape` (F, H, W), H and W multiples of 8.

    Input `features (1, F, H, W)`, output `corrections (1, R, H, W)`, float32. Both scales are folded into the first and
    the last convolution, and the first takes every second pixel, so that nothing is rearranged before it.
    Raises `WeightsError` where the tensors are not those of the network.
    """
    return _LiveWriter(tensors).model(shape)


class _LiveWriter:
    """Writes the network layer by layer and keeps count of the tensors used."""

    def __init__(self, tensors: Mapping[str, Array32]) -> None:
        self._tensors = tensors
        self._used: set[str] = set()
        self._writer = GraphWriter("live")

    def model(self, shape: tuple[int, int, int]) -> "onnx.ModelProto":
        features, height, width = shape
        if height % MULTIPLE or width % MULTIPLE or min(shape) < 1:
            raise WeightsError(
                f"the live network takes features whose rows and columns are multiples of {MULTIPLE}, found {shape}; "
                "pad the features"
            )
        try:
            result = self._corrections(self._writer.input("features", (1, features, height, width)))
        except (ValueError, IndexError) as error:
            raise WeightsError(
                "the weights hold tensors of other shapes than the live network's; they may be of another version of "
                "livecassi: choose other weights, see 'livecassi weights list'"
            ) from error
        if left := sorted(set(self._tensors) - self._used):
            raise WeightsError(f"the weights hold tensors that the live network does not know: {', '.join(left[:3])}")
        return self._writer.model({"corrections": result})

    def _corrections(self, features: Value) -> Value:
        x = self._entered(features)
        kept = []
        for level in range(self._count("down")):
            x = self._blocks(x, f"encode.{level}")
            kept.append(x)
            x = self._convolved(x, f"down.{level}")
        x = self._blocks(x, "middle")
        for level in reversed(range(len(kept))):
            raised = self._raised(self._convolved(x, f"up.{level}"))
            x = self._blocks(self._sum(raised, kept[level]), f"decode.{level}")
        gain = np.repeat(self._tensor("result_scale"), 4)
        kernel, bias = self._tensor("leave.weight"), self._tensor("leave.bias")
        return self._raised(self._convolution(x, "leave", kernel * gain[:, None, None, None], bias * gain))

    def _entered(self, features: Value) -> Value:
        """A 1 x 1 convolution of four pixels side by side is one of 2 x 2 pixels in steps of two."""
        kernel, scale = self._tensor("enter.weight"), self._tensor("feature_scale")
        fused = kernel.reshape(len(kernel), len(scale), 2, 2) / scale[:, None, None]
        return self._convolution(features, "enter", fused, self._tensor("enter.bias"))

    def _blocks(self, x: Value, name: str) -> Value:
        for place in range(self._count(name)):
            inner = self._convolved(x, f"{name}.{place}.first")
            inner = self._writer.add("Relu", [inner], inner.shape)
            x = self._sum(x, self._convolved(inner, f"{name}.{place}.second"))
        return x

    def _sum(self, one: Value, other: Value) -> Value:
        if one.shape != other.shape:
            raise ValueError(f"{one.shape} is added to {other.shape}")
        return self._writer.add("Add", [one, other], one.shape)

    def _convolved(self, x: Value, name: str) -> Value:
        return self._convolution(x, name, self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias"))

    def _convolution(self, x: Value, name: str, kernel: Array32, bias: Array32) -> Value:
        """Kernels of 2 x 2 go in steps of two, all others keep the size."""
        outside, inside, rows, columns = kernel.shape
        if inside != x.shape[1] or bias.shape != (outside,) or rows != columns:
            raise ValueError(f"{name} has a kernel of {kernel.shape}, a bias of {bias.shape}, for features {x.shape}")
        step, edge = (2, 0) if rows == 2 else (1, rows // 2)
        shape = (1, outside, x.shape[2] // step, x.shape[3] // step)
        constants = [self._writer.constant(np.ascontiguousarray(array, np.float32)) for array in (kernel, bias)]
        self._writer.place = name
        return self._writer.add(
            "Conv", [x, *constants], shape, kernel_shape=[rows, columns], strides=[step] * 2, pads=[edge] * 4
        )

    def _raised(self, x: Value) -> Value:
        """Channels become pixels, as in `pixel_shuffle`."""
        _, channels, height, width = x.shape
        if channels % 4:
            raise ValueError(f"{channels} channels are no multiple of 4")
        return self._writer.add("DepthToSpace", [x], (1, channels // 4, 2 * height, 2 * width), blocksize=2, mode="CRD")

    def _tensor(self, name: str) -> Array32:
        if name not in self._tensors:
            raise WeightsError(f"the weights hold no tensor '{name}'; they are not those of the live network")
        self._used.add(name)
        return self._tensors[name]

    def _count(self, name: str) -> int:
        """How many numbered parts `name.0`, `name.1`, ... there are."""
        return len({key.removeprefix(f"{name}.").split(".")[0] for key in self._tensors if key.startswith(f"{name}.")})
