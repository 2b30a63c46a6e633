"""What a graph may hold so that every runtime runs it."""

from typing import TYPE_CHECKING

from livecassi.engines.errors import PreparationError
from livecassi.engines.exporting import mixed_precision

if TYPE_CHECKING:
    import onnx

OLDEST_OPSET = 17  # the first with LayerNormalization as one operator
LARGEST_FILE = 2**31 - 2**20  # bytes of one protocol buffer; the rest is for the card
# What ONNX Runtime, OpenVINO and TensorRT 10, 11 and RTX all run in the standard domain.
OPERATORS = (
    mixed_precision.PRODUCTS
    | mixed_precision.MOVEMENT
    | mixed_precision.ELEMENTWISE
    | {
        "AveragePool",
        "Cast",
        "Clip",
        "Exp",
        "Greater",
        "LayerNormalization",
        "Log",
        "Less",
        "PRelu",
        "ReduceL2",
        "ReduceMean",
        "ReduceSum",
        "Resize",
        "Sigmoid",
        "Sign",
        "Softmax",
        "Softplus",
        "Sqrt",
    }
)


def check_operators(model: "onnx.ModelProto") -> None:
    """Raises `PreparationError` naming an operator that not every runtime runs, and where it is."""
    for node in model.graph.node:
        where = f"operator {node.op_type} at '{node.name or node.output[0]}'"
        if node.domain not in ("", "ai.onnx"):
            raise PreparationError(f"{where} is of domain '{node.domain}', which runtimes lack; export without it")
        if node.op_type not in OPERATORS:
            raise PreparationError(
                f"{where} is not among those that every runtime runs; write the network with others, or add it to "
                "livecassi.engines.exporting.operators once all runtimes were seen to run it"
            )


def check_graph(model: "onnx.ModelProto", title: str) -> None:
    """Whether a graph fits into one file, is valid, of a late enough opset, of fixed shapes, and of known operators.

    Raises `PreparationError`.
    """
    import onnx

    if (size := model.ByteSize()) > LARGEST_FILE:
        raise PreparationError(
            f"'{title}' would be a file of {size / 1e9:.1f} GB, ONNX holds {LARGEST_FILE / 1e9:.1f} GB; export it for "
            "smaller scenes, or without a calibration"
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise PreparationError(
            f"the graph of '{title}' is not valid ({error}); please report this with the command that made it"
        ) from error
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < OLDEST_OPSET:
        raise PreparationError(f"the graph of '{title}' is of opset {opset}, expected {OLDEST_OPSET} or later")
    check_operators(model)
    for value in (*model.graph.input, *model.graph.output):
        sizes = [size.dim_value for size in value.type.tensor_type.shape.dim]
        if not sizes or not all(size > 0 for size in sizes):
            raise PreparationError(f"'{value.name}' of '{title}' has the shape {sizes}, expected one that is fixed")
        if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
            raise PreparationError(f"'{value.name}' of '{title}' is not float32, as inputs and outputs must be")
