"""Networks of torch written down as graphs: the result of each operator, what is done once, what is refused."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from exported_networks import decibels, random_inputs, run
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.errors import PreparationError
from livecassi.engines.exporting.operators import check_graph
from livecassi.engines.exporting.recording import record

pytest.importorskip("onnx", reason="graphs are made with onnx")
pytest.importorskip("onnxruntime", reason="graphs are run by ONNX Runtime")

SHAPE = (2, 3, 6, 8)
WEIGHTS = torch.rand(5, 8, generator=torch.Generator().manual_seed(0)) - 0.5
KERNEL = torch.rand(6, 1, 3, 3, generator=torch.Generator().manual_seed(1)) - 0.5
FLAGS = torch.tensor([True, False] * 4)

WORKS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear maps": lambda x: F.linear(x, WEIGHTS, WEIGHTS[:, 0]) @ WEIGHTS[:, :3],
    "products": lambda x: torch.baddbmm(x[0, 0, 0], x[0].mT, x[1]) + torch.bmm(x[0].mT, x[1]).sum((0, 2), keepdim=True),
    "convolutions": lambda x: F.conv2d(x, KERNEL, KERNEL[:, 0, 0, 0], stride=2, padding=1, groups=3),
    "strides by axis": lambda x: F.conv2d(x, KERNEL[:3], None, (1, 2), (0, 1), (2, 1), 3),
    "norms": lambda x: F.layer_norm(x, (8,), WEIGHTS[0], WEIGHTS[1]) + F.layer_norm(x, (8,)),
    "activations": lambda x: F.gelu(x) + F.leaky_relu(x - 0.5, 0.1) + torch.sigmoid(x) + F.relu(x - 0.3) + x.sqrt(),
    "softmax and gates": lambda x: x.softmax(2) * (x > 0.4) + torch.where(x < 0.2, x, 0.0),
    "arithmetic": lambda x: torch.addcmul(x, x, WEIGHTS[0], value=2) / 3 - torch.sub(x, x.mean(-1, True), alpha=0.5),
    "known flags": lambda x: x * FLAGS + torch.where(FLAGS, x, WEIGHTS[0]),
    "shapes": lambda x: x.unflatten(2, (2, 3)).permute(0, 3, 1, 4, 2).flatten(1, 2).contiguous().unsqueeze(1),
    "parts": lambda x: torch.cat((*x.chunk(3, 1), x.split((2, 1), 1)[0], x[:, -1:], torch.zeros(2, 0, 6, 8)), 1),
    "steps and rows": lambda x: torch.stack(x[:, 1:, ::2, 1:-1].unbind(1), -1) + x[..., 0, 3][:, :1, None, None],
    "circles": lambda x: torch.roll(x, (-2, 3), (2, 3)) + torch.roll(x, 1, 0),
    "edges": lambda x: F.pad(x, (1, 2, 0, 3), mode="reflect") + F.pad(x, (0, 3, 2, 1)),
    "places": lambda x: x[..., torch.tensor([[0, 2], [7, 1]])].sum(-1) + x.gather(3, torch.ones(2, 3, 6, 2).long()),
    "repeated constants": lambda x: torch.cat((x, WEIGHTS[0].expand_as(x)), 1) * WEIGHTS[1, 0].expand(8),
    "repeated features": lambda x: x[..., :1].expand_as(x) + x[:, :1].expand(-1, 3, -1, -1),
}  # fmt: skip


@pytest.mark.parametrize("name", WORKS)
def test_operators_give_what_they_give_in_torch(name: str) -> None:
    work = WORKS[name]
    model = record(nn.Identity(), work, {"x": SHAPE}, "y", name)
    check_graph(model, name)
    inputs = random_inputs({"x": SHAPE})
    expected = work(torch.from_numpy(inputs["x"]))
    found = run(model, inputs)
    assert found.shape == expected.shape
    assert decibels(found, expected) > 110


class Branches(nn.Module):
    """Two layers after the same sum, and weights that are put together before they are used."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.left.weight @ self.right.weight.softmax(0)
        unused = self.right(x)
        assert unused.shape == x.shape
        return F.linear(self.norm(x) + 1, weights) + self.left(self.norm(x) + 1)


def test_what_is_known_is_computed_and_what_is_the_same_is_done_once() -> None:
    model = record(Branches(), Branches(), {"x": SHAPE}, "y", "branches")
    counts = Counter(node.op_type for node in model.graph.node)
    assert counts == {"LayerNormalization": 1, "Add": 2, "MatMul": 2, "Identity": 1}


def test_operators_are_named_after_their_module() -> None:
    network = nn.Sequential(nn.Linear(8, 4), nn.Sequential(nn.GELU(), nn.Linear(4, 2)))
    model = record(network, network, {"x": SHAPE}, "y", "layers")
    places = [node.name.split("/")[0] for node in model.graph.node]
    assert places == ["0", "0", "1.0", "1.1", "1.1", ""]
    assert network(torch.rand(SHAPE)).shape == (2, 3, 6, 2)  # nothing is recorded any more


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda x: torch.linalg.svdvals(x), "no translation to ONNX"),
        (lambda x: x.to(torch.float64), "networks compute in float32"),
        (lambda x: F.pad(x, (1, 1), value=3.0), "pads with 3.0"),
        (lambda x: x[..., FLAGS], "indexes by flags"),
        (lambda x: x[torch.tensor([0]), torch.tensor([1])], "indexes several axes"),
        (lambda x: torch.ones(3), "depends on none of its inputs x"),
        (lambda x: torch.baddbmm(x[0], x[0], x[0].mT @ x[0], beta=2), "scales a product"),
    ],
)
def test_what_cannot_be_written_down_is_refused(work: Callable[[Tensor], Tensor], words: str) -> None:
    with pytest.raises(PreparationError, match=words):
        record(nn.Identity(), work, {"x": SHAPE}, "y", "it")
