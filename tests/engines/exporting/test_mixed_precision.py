"""What computes in half and what stays in fp32, by small graphs; and what of it comes out of a runtime."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from exported_networks import decibels, random_inputs, run

from livecassi.engines.exporting.graph import GraphWriter, Value
from livecassi.engines.exporting.mixed_precision import mixed
from livecassi.engines.precision import Precision

onnx = pytest.importorskip("onnx", reason="graphs are made with onnx")
pytest.importorskip("onnxruntime", reason="graphs are run by ONNX Runtime")

FEATURES = (2, 6, 4)  # pictures, tokens, width


class Small:
    """A graph under construction, whose operators are called by the names that a test gives them."""

    def __init__(self) -> None:
        self.writer = GraphWriter("small")
        self.x = self.writer.input("x", FEATURES)
        self._random = np.random.default_rng(5)

    def __call__(self, name: str, operator: str, *inputs: Value, shape: Any = None, **attributes: object) -> Value:
        self.writer.place = name
        return self.writer.add(operator, inputs, shape or inputs[0].shape, **attributes)

    def weights(self, *shape: int, size: float = 1.0) -> Value:
        return self.writer.constant(self._random.normal(0, size, shape).astype(np.float32))

    def linear(self, name: str, x: Value) -> Value:
        return self(name, "MatMul", x, self.weights(4, 4))

    def norm(self, name: str, x: Value) -> Value:
        return self(name, "LayerNormalization", x, self.writer.constant(np.ones(4, np.float32)), axis=-1)

    def transposed(self, name: str, x: Value) -> Value:
        pictures, tokens, width = x.shape
        return self(name, "Transpose", x, shape=(pictures, width, tokens), perm=[0, 2, 1])


def types_of(model: Any) -> dict[str, str]:
    """What each operator gives, by the name it was given: "half", "fp32" or "other"."""
    kinds = {1: "fp32", 10: "half", 16: "half"}
    declared = {
        value.name: value.type.tensor_type.elem_type for value in (*model.graph.value_info, *model.graph.output)
    }
    return {
        node.name.split("/")[0]: kinds.get(declared[node.output[0]], "other")
        for node in model.graph.node
        if "/" in node.name
    }


def checked(small: Small, result: Value, precision: Precision = Precision.FP16) -> Any:
    """The mixed graph, valid and, in fp16, close to what it was."""
    model = onnx.shape_inference.infer_shapes(small.writer.model({"result": result}))
    halved = mixed(model, precision)
    onnx.checker.check_model(halved, full_check=True)
    if precision is Precision.FP16:
        inputs = random_inputs({"x": FEATURES})
        assert decibels(run(halved, inputs), run(model, inputs)) > 50
    assert [value.type.tensor_type.elem_type for value in (*halved.graph.input, *halved.graph.output)] == [1, 1]
    return halved


def casts(model: Any) -> int:
    return sum(node.op_type == "Cast" for node in model.graph.node)


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.BF16])
def test_products_and_what_lies_between_them_are_half(precision: Precision) -> None:
    small = Small()
    first = small("gelu", "Gelu", small.linear("first", small.x))
    scaled = small("scale", "Mul", first, small.weights(4))
    second = small.linear("second", small.transposed("back", small.transposed("turned", scaled)))
    halved = checked(small, small("exp", "Exp", second), precision)
    found = types_of(halved)
    assert {found[name] for name in ("first", "gelu", "scale", "turned", "back", "second")} == {"half"}
    assert found["exp"] == "fp32"
    assert casts(halved) == 2
    whole = mixed(onnx.shape_inference.infer_shapes(small.writer.model({"result": second})), Precision.FP32)
    assert set(types_of(whole).values()) == {"fp32"}
    assert casts(whole) == 0


def test_attention_is_half_but_its_logits_and_thresholds_are_not() -> None:
    small = Small()
    normed = small.norm("norm", small.x)
    q, k, v = (small.linear(name, normed) for name in "qkv")
    temperature = small("temperature", "MatMul", q, small.weights(4, 1), shape=(2, 6, 1))
    keys = small.transposed("keys", k)
    likeness = small("likeness", "MatMul", q, keys, shape=(2, 6, 6))
    logits = small("logits", "Mul", likeness, temperature)
    hidden = small("hidden", "MatMul", likeness, small.weights(6, 1), shape=(2, 6, 1))
    threshold = small("threshold", "LeakyRelu", hidden, alpha=0.1)
    opened = small("opened", "Greater", logits, threshold)
    zero = small.writer.constant(np.array(0, np.float32))
    soft = small("soft", "Softmax", logits, axis=-1)
    attention = small("attention", "Where", opened, soft, zero, shape=(2, 6, 6))
    seen = small("seen", "MatMul", attention, v, shape=FEATURES)
    found = types_of(mixed(small.writer.model({"result": small.linear("out", seen)}), Precision.FP16))
    assert {name for name, kind in found.items() if kind == "half"} >= {"q", "k", "v", "attention", "seen"}
    exact = ("norm", "temperature", "likeness", "logits", "hidden", "threshold", "soft")
    assert {name: found[name] for name in exact} == dict.fromkeys(exact, "fp32")


def test_a_residual_stream_stays_fp32_between_blocks_that_are_half() -> None:
    small = Small()
    x = small.x
    for block in "ab":
        normed = small.norm(f"norm {block}", x)
        raised = small(f"raised {block}", "Add", small.linear(f"in {block}", normed), small.weights(4))
        inner = small(f"inner {block}", "Gelu", raised)
        x = small(f"sum {block}", "Add", x, small.linear(f"out {block}", inner))
    found = types_of(checked(small, x))
    for block in "ab":
        assert {found[f"{part} {block}"] for part in ("in", "raised", "inner", "out")} == {"half"}
        assert found[f"sum {block}"] == found[f"norm {block}"] == "fp32"


def test_sums_without_norms_are_a_residual_stream_where_others_read_them() -> None:
    small = Small()
    x = small.linear("enter", small.x)
    for block in "ab":
        x = small(f"sum {block}", "Add", x, small.linear(f"out {block}", small("act " + block, "Relu", x)))
    parts = small("parts", "Add", small.linear("one", x), small.linear("other", x))
    found = types_of(checked(small, small.linear("leave", parts)))
    assert found["sum a"] == "fp32"
    assert found["parts"] == found["act a"] == "half"


def test_movement_is_half_where_either_end_of_it_is() -> None:
    small = Small()
    before = small.transposed("before", small.norm("norm", small.x))
    product = small("product", "MatMul", before, small.weights(6, 6))
    after = small.transposed("after", product)
    between = small.transposed("between", small("exp", "Exp", after))
    halved = checked(small, small("root", "Sqrt", between))
    found = types_of(halved)
    assert (found["before"], found["product"], found["after"]) == ("half", "half", "half")
    assert (found["exp"], found["between"], found["root"]) == ("fp32", "fp32", "fp32")
    assert casts(halved) == 2


@pytest.mark.parametrize(("precision", "kept"), [(Precision.FP16, "fp32"), (Precision.BF16, "half")])
def test_a_constant_that_half_does_not_hold_keeps_its_operator_in_fp32(precision: Precision, kept: str) -> None:
    small = Small()
    large = small.writer.constant(np.full((4, 4), 7e4, np.float32))
    product = small("product", "MatMul", small.x, large)
    usual = small.linear("usual", product)
    found = types_of(mixed(small.writer.model({"result": usual}), precision))
    assert found["product"] == kept
    assert found["usual"] == "half"


def test_a_tensor_is_cast_once_for_all_that_need_it() -> None:
    small = Small()
    products = [small.linear(f"product {number}", small.x) for number in range(3)]
    joined = small("joined", "Concat", *products, shape=(2, 6, 12), axis=2)
    halved = checked(small, small("exp", "Exp", joined))
    assert types_of(halved)["joined"] == "half"
    assert casts(halved) == 2


def test_a_result_that_is_a_product_is_given_in_fp32() -> None:
    small = Small()
    model = small.writer.model({"result": small.x})
    model.graph.node[0].op_type = "Relu"
    product = onnx.helper.make_node("MatMul", ["x", "w"], ["result"], name="product")
    model.graph.node[0].CopyFrom(product)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((4, 4), np.float32), "w"))
    halved = mixed(model, Precision.FP16)
    onnx.checker.check_model(halved, full_check=True)
    inputs = random_inputs({"x": FEATURES})
    assert decibels(run(halved, inputs), run(model, inputs)) > 50
    assert halved.graph.output[0].type.tensor_type.elem_type == 1
    assert casts(halved) == 2


def test_bf16_constants_are_rounded_to_nearest() -> None:
    small = Small()
    values = np.array([1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-12, -3.14159, 1e-30, 3e38], np.float32)
    weights = small.writer.constant(np.tile(values, (4, 1)))
    product = small("product", "MatMul", small.x, weights, shape=(2, 6, 7))
    halved = mixed(small.writer.model({"result": product}), Precision.BF16)
    (found,) = (tensor for tensor in halved.graph.initializer if tensor.data_type == onnx.TensorProto.BFLOAT16)
    bits = np.frombuffer(found.raw_data, np.uint16)[:7]
    expected: Callable[[], torch.Tensor] = torch.from_numpy(values).to(torch.bfloat16).view(torch.uint16)
    assert bits.tolist() == expected.tolist()
