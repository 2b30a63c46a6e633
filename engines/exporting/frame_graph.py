"""An exported video network, widened to take raw frames and give pictures: no GPU kernel of our own is needed.

Correction, rendering and the spectra of picked pixels become a few nodes around the network, and one pass of a runtime
does all of it on the device. Only operators that NVIDIA's parsers know are used. Frames come as bytes because TensorRT
has no uint16.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livecassi.engines.errors import NetworkFileError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

MEASUREMENT, CUBES = "measurement", "cubes"  # of the network that is widened
PREFIX = "camera."  # of all that is added
INPUTS = ("gain", "offset", "added", "band_gain", "colour", "pick_weights")  # beside the frames
OUTPUTS = (CUBES, "pictures", "spectra")
LEVELS = 4096  # of the table from linear light to the bytes of sRGB
PICKS = 8


def with_camera_frames(
    model: "ModelProto",
    table: NDArray[np.uint8],
    positions: Sequence[int] = (-1,),
    picks: int = PICKS,
    columns: int | None = None,
) -> "ModelProto":
    """A copy of `model`, from `measurement` (1, T, H, W') to `cubes` (1, T, C, H, W), both float32, that takes instead

    - `frames` uint8 (T, H, W', 2): the bytes of 16-bit pixels, low byte first; `columns` of them are W' where a camera
      has more columns than the network reads
    - `gain`, `offset` float32 (H, W'): a measurement is pixel * gain + offset, so dark, flat, full scale, pedestal and
      brightness are all in them
    - `added` float32 (T, H, W'), added to that: 0, or where gain and offset are 0, measurements from elsewhere
    - `band_gain` float32 (C,): a cube is what the network gives times this
    - `colour` float32 (3, C): from a cube to linear sRGB, white at 1
    - `pick_weights` float32 (P, H * W): the share of every pixel in the spectrum of a pick

    and gives, for the K frames of the window at `positions`,

    - `cubes` float32 (K, C, H, W)
    - `pictures` uint8 (K, H, W, 3) by `table`, the bytes of 4096 levels of linear light; NaN is black
    - `spectra` float32 (K, P, C); a cube that holds NaN anywhere has NaN in its spectra

    Raises `NetworkFileError` for a model of another form.
    """
    from onnx import ModelProto

    window = _window_of(model)
    columns = window.columns if columns is None else columns
    if columns < window.columns:
        raise NetworkFileError(f"frames of {columns} columns are narrower than the {window.columns} the network reads")
    if table.shape != (LEVELS,) or table.dtype != np.uint8:
        raise NetworkFileError(f"the table of colours is {table.shape} {table.dtype}, expected ({LEVELS},) uint8")
    widened = ModelProto()
    widened.CopyFrom(model)
    graph = widened.graph
    given = _rename(graph, {"frames", *INPUTS, *OUTPUTS})
    before, after = _Nodes(), _Nodes()
    _correct(before, window, columns)
    _render(after, given[CUBES], window, _places(positions, window.length), table)
    nodes = [*before.nodes, *graph.node, *after.nodes]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*before.constants, *after.constants])
    shown = len(positions)
    graph.input.extend(_inputs(window, columns, picks))
    graph.output.extend(_outputs(window, shown, picks))
    return widened


@dataclass(frozen=True, slots=True)
class _Window:
    """T, H, W', C, W."""

    length: int
    height: int
    columns: int
    bands: int
    width: int


def _window_of(model: "ModelProto") -> _Window:
    from onnx import TensorProto

    def shape(values: "Sequence[ValueInfoProto]", name: str, rank: int) -> list[int]:
        found = [value for value in values if value.name == name]
        kind = found[0].type.tensor_type if found and len(values) == 1 else None
        sizes = [axis.dim_value for axis in kind.shape.dim] if kind else []
        if kind is None or kind.elem_type != TensorProto.FLOAT or len(sizes) != rank or not all(sizes) or sizes[0] != 1:
            raise NetworkFileError(
                f"raw frames need a network of one float32 '{name}' of fixed size, {rank} axes, the first 1; found "
                f"{', '.join(value.name for value in values) or 'nothing'} {sizes}; export it with --calibration"
            )
        return sizes

    _, length, height, columns = shape(model.graph.input, MEASUREMENT, 4)
    _, out_length, bands, out_height, width = shape(model.graph.output, CUBES, 5)
    if (out_length, out_height) != (length, height):
        raise NetworkFileError(f"the network makes {out_length} cubes of {out_height} rows of {length} x {height}")
    return _Window(length, height, columns, bands, width)


def _places(positions: Sequence[int], length: int) -> list[int]:
    places = [position % length for position in positions if -length <= position < length]
    if not places or len(places) != len(positions):
        raise NetworkFileError(f"positions {list(positions)} found, expected some of the {length} frames of the window")
    return places


def _rename(graph: "GraphProto", names: set[str]) -> dict[str, str]:
    """Free these names for tensors of our own; gives what the network's are called now."""
    new = {name: f"{PREFIX}network_{name}" for name in names}
    for node in graph.node:
        for tensors in (node.input, node.output):
            for place, name in enumerate(tensors):
                tensors[place] = new.get(name, name)
    for tensor in (*graph.initializer, *graph.value_info):
        tensor.name = new.get(tensor.name, tensor.name)
    return new


class _Nodes:
    """Nodes in the order they are computed in, and the constants they need."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: int | list[int]) -> str:
        """One node; gives the name of its output."""
        from onnx import helper

        node = helper.make_node(operator, inputs, [output], name=f"{PREFIX}{operator}_{output}")
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self.nodes.append(node)
        return output

    def constant(self, name: str, values: ArrayLike, dtype: type[np.generic]) -> str:
        """A constant; gives its name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), PREFIX + name))
        return PREFIX + name


def _correct(to: _Nodes, window: _Window, columns: int) -> None:
    """From `frames`, `gain`, `offset` and `added` to the network's measurement."""
    from onnx import TensorProto

    pixels = to.add("Cast", ["frames"], f"{PREFIX}bytes", to=TensorProto.FLOAT)  # first: bytes can be nothing but cast
    if columns > window.columns:
        bounds = [
            to.constant(name, [at], np.int64) for name, at in (("first", 0), ("end", window.columns), ("axis", 2))
        ]
        pixels = to.add("Slice", [pixels, *bounds], f"{PREFIX}read")
    weights = to.constant("byte_weights", [1, 256], np.float32)
    pixels = to.add("Mul", [pixels, weights], f"{PREFIX}weighed")
    pixels = to.add("ReduceSum", [pixels, to.constant("byte_axis", [-1], np.int64)], f"{PREFIX}pixels", keepdims=0)
    scaled = to.add("Mul", [pixels, "gain"], f"{PREFIX}scaled")
    corrected = to.add("Add", [scaled, "offset"], f"{PREFIX}corrected")
    corrected = to.add("Add", [corrected, "added"], f"{PREFIX}measured")
    to.add("Unsqueeze", [corrected, to.constant("batch_axis", [0], np.int64)], MEASUREMENT)


def _render(to: _Nodes, network_cubes: str, window: _Window, places: list[int], table: NDArray[np.uint8]) -> None:
    """From the network's cubes to `cubes`, `pictures` and `spectra`."""
    from onnx import TensorProto

    bands, height, width, shown = window.bands, window.height, window.width, len(places)
    chosen = to.add("Gather", [network_cubes, to.constant("places", places, np.int64)], f"{PREFIX}chosen", axis=1)
    chosen = to.add("Squeeze", [chosen, to.constant("first_axis", [0], np.int64)], f"{PREFIX}shown")
    per_band = to.add(
        "Reshape", ["band_gain", to.constant("per_band", [bands, 1, 1], np.int64)], f"{PREFIX}per_band_gain"
    )
    cubes = to.add("Mul", [chosen, per_band], CUBES)
    flat_shape = to.constant("flat_shape", [shown, bands, height * width], np.int64)
    flat = to.add("Reshape", [cubes, flat_shape], f"{PREFIX}flat")

    linear = to.add("MatMul", ["colour", flat], f"{PREFIX}linear")
    no_number = to.add("IsNaN", [linear], f"{PREFIX}no_number")
    linear = to.add("Where", [no_number, to.constant("black", 0, np.float32), linear], f"{PREFIX}numbers")
    levels = to.add("Mul", [linear, to.constant("top", LEVELS - 1, np.float32)], f"{PREFIX}levels")
    levels = to.add("Add", [levels, to.constant("half", 0.5, np.float32)], f"{PREFIX}rounded")
    ends = [to.constant(name, level, np.float32) for name, level in (("lowest", 0), ("highest", LEVELS - 1))]
    levels = to.add("Clip", [levels, *ends], f"{PREFIX}clipped")
    codes = to.add("Cast", [levels], f"{PREFIX}codes", to=TensorProto.INT32)
    encoded = to.add("Gather", [to.constant("table", table, np.float32), codes], f"{PREFIX}encoded", axis=0)
    pixels = to.add("Transpose", [encoded], f"{PREFIX}channels_last", perm=[0, 2, 1])
    picture_shape = to.constant("picture_shape", [shown, height, width, 3], np.int64)
    pixels = to.add("Reshape", [pixels, picture_shape], f"{PREFIX}picture")
    to.add("Cast", [pixels], "pictures", to=TensorProto.UINT8)  # last: see the first

    shares = to.add("Transpose", ["pick_weights"], f"{PREFIX}shares", perm=[1, 0])
    sums = to.add("MatMul", [flat, shares], f"{PREFIX}sums")
    to.add("Transpose", [sums], "spectra", perm=[0, 2, 1])


def _inputs(window: _Window, columns: int, picks: int) -> "list[ValueInfoProto]":
    from onnx import TensorProto, helper

    image = [window.height, window.columns]
    shapes = {
        "gain": image,
        "offset": image,
        "added": [window.length, *image],
        "band_gain": [window.bands],
        "colour": [3, window.bands],
        "pick_weights": [picks, window.height * window.width],
    }
    frames = [window.length, window.height, columns, 2]
    return [
        helper.make_tensor_value_info("frames", TensorProto.UINT8, frames),
        *(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()),
    ]


def _outputs(window: _Window, shown: int, picks: int) -> "list[ValueInfoProto]":
    from onnx import TensorProto, helper

    bands, height, width = window.bands, window.height, window.width
    return [
        helper.make_tensor_value_info("cubes", TensorProto.FLOAT, [shown, bands, height, width]),
        helper.make_tensor_value_info("pictures", TensorProto.UINT8, [shown, height, width, 3]),
        helper.make_tensor_value_info("spectra", TensorProto.FLOAT, [shown, picks, bands]),
    ]
