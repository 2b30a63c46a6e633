"""HM-SSA, attention whose reach grows from windows w to 2w (read as: hierarchical multi-scale self-attention).

Published are the name, its place, the windows w and 2w and the cost without the latter. w = 8, heads, biases and shifts
are ours (hsra.md, section 4): windows of odd blocks are shifted by half a window in a circle, without masks at the
seam.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.stills.hsra.layers import Shape, depthwise, pointwise
from livecassi.engines.networks.stills.hsra.windows import from_windows, into_windows
from livecassi.engines.networks.stills.shortened import Shortened
from livecassi.engines.networks.tracing import exporting

SIDES = (8, 16)
HEAD = 14  # channels of a head, or a little more
_LANES = 8  # channels of a head are filled up to multiples: what vector units and fused attention work with


class WindowAttention(Shortened):
    """Half of the channels attend within windows of 8 x 8, the others of 16 x 16, plus DW3x3 of the values.

    `wide` False leaves out the second half (an ablation).
    """

    def __init__(self, width: int, *, shifted: bool, wide: bool) -> None:
        super().__init__()
        half = width // 2
        self.heads = half // HEAD
        self.head = half // self.heads
        self.sides = SIDES if wide else SIDES[:1]
        self.shifted = shifted
        inside = half * len(self.sides)
        self.query, self.key, self.value = (pointwise(width, inside, bias=False) for _ in range(3))
        self.tables = nn.ParameterList(torch.empty(self.heads, 2 * side - 1, 2 * side - 1) for side in self.sides)
        for table in self.tables:
            nn.init.trunc_normal_(table, std=0.02)
        self.local = nn.Conv2d(inside, inside, 3, padding=1, groups=inside)
        self.out = pointwise(inside, width)

    def forward(self, x: Tensor, shape: Shape) -> Tensor:
        """Features to as many."""
        value = self.value(x)
        local = depthwise(value, shape, self.local.weight, self.local.bias)
        if self.literal:
            return self._literally(x, value, local, shape)
        mixed: Tensor = self.out(local)
        for part in range(len(self.sides)):
            mixed = mixed + self._part(x, part, shape)
        return mixed

    def _part(self, x: Tensor, part: int, shape: Shape) -> Tensor:
        """What one half of the channels adds."""
        side = self.sides[part]
        by = side // 2 if self.shifted else 0
        windows = into_windows(x, shape, side, by)
        q, k, v = (
            F.linear(windows, weight).unflatten(-1, (self.heads, -1)).transpose(1, 2) for weight in self._inner(part)
        )
        seen = _attention(q, k, v, position_bias(self.tables[part])).transpose(1, 2).flatten(2)
        return from_windows(F.linear(seen, self._outer(part)), shape, side, by)

    def _inner(self, part: int) -> tuple[Tensor, Tensor, Tensor]:
        """What gives queries, scaled, keys and values of one half: `(heads x filled up, C)` each."""
        rows = slice(part * self.heads * self.head, (part + 1) * self.heads * self.head)
        fill = -self.head % _LANES

        def filled(layer: nn.Linear) -> Tensor:
            weight: Tensor = F.pad(layer.weight[rows].unflatten(0, (self.heads, -1)), (0, 0, 0, fill)).flatten(0, 1)
            return weight

        return filled(self.query) * self.head**-0.5, filled(self.key), filled(self.value)

    def _outer(self, part: int) -> Tensor:
        """What takes the result of one half to all channels: `(C, heads x filled up)`."""
        columns = slice(part * self.heads * self.head, (part + 1) * self.heads * self.head)
        by_head = self.out.weight[:, columns].unflatten(1, (self.heads, -1))
        weight: Tensor = F.pad(by_head, (0, -self.head % _LANES)).flatten(1)
        return weight

    def _literally(self, x: Tensor, value: Tensor, local: Tensor, shape: Shape) -> Tensor:
        half = self.heads * self.head
        queries, keys, values = (every.split(half, -1) for every in (self.query(x), self.key(x), value))
        seen = []
        for part, (side, table) in enumerate(zip(self.sides, self.tables, strict=True)):
            by = side // 2 if self.shifted else 0
            q, k, v = (
                into_windows(every, shape, side, by).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for every in (queries[part], keys[part], values[part])
            )
            weights = (q @ k.mT * self.head**-0.5 + position_bias(table)).softmax(-1)
            seen.append(from_windows((weights @ v).transpose(1, 2).flatten(2), shape, side, by))
        mixed: Tensor = self.out(torch.cat(seen, -1) + local)
        return mixed


def position_bias(table: Tensor) -> Tensor:
    """What a table `(heads, 2w - 1, 2w - 1)` of displacements adds between pixels of a window: `(heads, w², w²)`.

    Between the pixels (r, c) and (r', c') it is `table[r - r' + w - 1, c - c' + w - 1]`.
    """
    side = (table.shape[-1] + 1) // 2
    every: Tensor = table.unfold(1, side, 1).unfold(2, side, 1).flip(3, 4)
    return every.flatten(3, 4).flatten(1, 2)


def _attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """softmax(q kᵀ + bias) v of `(windows, heads, pixels, channels)`."""
    if exporting() or (torch.is_grad_enabled() and not q.is_cuda):  # what a CPU does there by itself, and more slowly
        return (q @ k.mT + bias).softmax(-1) @ v
    return F.scaled_dot_product_attention(q, k, v, bias.expand(len(q), -1, -1, -1), scale=1.0)
