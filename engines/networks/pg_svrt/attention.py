"""Cross-domain propagated attention (CDPA): each branch attends within windows, then across frames.

Two branches share the projections to queries, keys and values. In the plain form both look at windows of 8 x 8; in the
bridge form, at full resolution, at 8 x 32 and 32 x 8, where 64 pooled queries stand between all queries and all keys.
The attention across frames takes what the windows gave as its values. Source: pg-svrt.md, sections 4.3, 4.5 and 4.6.
"""

from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.pg_svrt.gate import HEAD, Gate
from livecassi.engines.networks.pg_svrt.layers import conv2d, linear_parts
from livecassi.engines.networks.pg_svrt.windows import from_windows, in_pieces, into_windows, shift

FRAMES = 3
PLAIN_WINDOW = (8, 8)
BRIDGE_WINDOWS = ((8, 32), (32, 8))
BRIDGE_SIDE = 8  # the pooled queries of a window form a map of 8 x 8 before they are resized to its shape
BRIDGE_TOKENS = 64


def mix_frames(attention: Tensor, values: Tensor) -> Tensor:
    """Σ_u A[t, u] · values[u]: attention `(B, T, T, ...)` over values `(B, T, ..., D)`."""
    weights = attention.unsqueeze(-1).to(values.dtype)
    mixed = []
    for t in range(values.shape[1]):
        row = weights[:, t, 0] * values[:, 0]
        for u in range(1, values.shape[1]):
            row = torch.addcmul(row, weights[:, t, u], values[:, u])
        mixed.append(row)
    return torch.stack(mixed, dim=1)


class PlainBranch(nn.Module):
    """Every token of an 8 x 8 window looks at every other, then every pixel at itself in the other frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        tokens = PLAIN_WINDOW[0] * PLAIN_WINDOW[1]
        self.cal_atten_sp = Gate(tokens, tokens)
        self.cal_atten_tp = Gate(FRAMES, FRAMES)
        self.to_out = nn.Linear(width, width)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """`(B, T, windows, tokens, D)` before `to_out`; one attention map serves all heads of the values."""
        attention = self.cal_atten_sp.among_themselves(q.flatten(0, 2), k.flatten(0, 2))
        seen = torch.bmm(attention.to(v.dtype), v.flatten(0, 2)).unflatten(0, q.shape[:3])
        return mix_frames(self.cal_atten_tp.across_frames(q, k), seen)


class BridgeBranch(nn.Module):
    """All pixels of a large window look at each other by way of 64 bridge tokens; then across frames."""

    def __init__(self, width: int, window: tuple[int, int]) -> None:
        super().__init__()
        rows, columns = self.window = window
        side, tokens = BRIDGE_SIDE, BRIDGE_TOKENS
        self.an_bias = nn.Parameter(torch.empty(1, tokens, side, side))
        self.na_bias = nn.Parameter(torch.empty(1, tokens, side, side))
        self.ah_bias = nn.Parameter(torch.empty(1, 1, tokens, rows, 1))
        self.aw_bias = nn.Parameter(torch.empty(1, 1, tokens, 1, columns))
        self.ha_bias = nn.Parameter(torch.empty(1, 1, rows, 1, tokens))
        self.wa_bias = nn.Parameter(torch.empty(1, 1, 1, columns, tokens))
        for bias in (self.an_bias, self.na_bias, self.ah_bias, self.aw_bias, self.ha_bias, self.wa_bias):
            nn.init.trunc_normal_(bias, std=0.02)
        self.dwc = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.cal_atten_agent_linner = Gate(tokens, rows * columns)
        self.cal_atten_agent_soft = Gate(rows * columns, tokens)
        self.cal_atten_tp = Gate(FRAMES, FRAMES)
        self.to_out = nn.Linear(width, width)

    def position_biases(self) -> tuple[Tensor, Tensor]:
        """What the place in the window adds: bridge tokens to pixels `(64, rows x columns)`, and back."""
        gather, spread = (
            F.interpolate(bias, self.window, mode="bilinear", align_corners=False)[0].flatten(1)
            for bias in (self.an_bias, self.na_bias)
        )
        gather = gather + (self.ah_bias + self.aw_bias).flatten(3)[0, 0]
        spread = spread.mT + (self.ha_bias + self.wa_bias)[0, 0].flatten(0, 1)
        return gather, spread

    def look(self, q: Tensor, k: Tensor, v: Tensor, biases: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """From q, k and v of windows `(B, T, windows, tokens, ...)`: what the windows give, as `(..., D)`, and the
        attention across frames `(B, T, windows, tokens, T)`.
        """
        rows, columns = self.window
        flat_q, flat_k, flat_v = (part.flatten(0, 2) for part in (q, k, v))
        grid = flat_q.unflatten(1, (rows // 2, 2, columns // 2, 2))
        pairs = grid[:, :, 0] + grid[:, :, 1]
        bridge = ((pairs[..., 0, :] + pairs[..., 1, :]) / 4).flatten(1, 2)
        gathered = torch.bmm(self.cal_atten_agent_linner.towards(bridge, flat_k, biases[0]).to(v.dtype), flat_v)
        spread = torch.bmm(self.cal_atten_agent_soft.towards(flat_q, bridge, biases[1]).to(v.dtype), gathered)
        return spread.unflatten(0, q.shape[:3]), self.cal_atten_tp.across_frames(q, k).movedim(2, -1)

    def spread_locally(self, seen: Tensor) -> Tensor:
        """Depthwise convolution over whole pictures `(B, T, H, W, D)` of what the windows gave."""
        return conv2d(seen, self.dwc.weight, self.dwc.bias, padding=1, groups=seen.shape[-1])


class _Attention(nn.Module):
    """What the plain and the bridge form share: the projections before and after two branches."""

    attns: nn.ModuleList

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.to_v = nn.Linear(width, 2 * width, bias=False)
        self.to_qk = nn.Linear(width, 4 * HEAD, bias=False)

    def _projections(self, *branches: int) -> tuple[Tensor, ...]:
        """Weights that give q, k and v of each branch in turn, `(30, D)`, `(30, D)` and `(D, D)`."""
        q0, q1, k0, k1 = self.to_qk.weight.split(HEAD)
        v0, v1 = self.to_v.weight.split(self.width)
        of_branch = ((q0, k0, v0), (q1, k1, v1))
        return tuple(part for branch in branches for part in of_branch[branch])

    def _output(self, branch: int, proj_out: nn.Linear) -> tuple[Tensor, Tensor]:
        """Weight `(D, D)` and bias of `to_out` of a branch and its half of `proj_out`, two linear maps, as one."""
        half = proj_out.weight.split(self.width, 1)[branch]
        weight, bias = (self.attns[branch].get_parameter(f"to_out.{name}") for name in ("weight", "bias"))
        return half @ weight, half @ bias


class PlainAttention(_Attention):
    """CDPA below full resolution: both branches share windows of 8 x 8, shifted by half a window if `shifted`."""

    def __init__(self, width: int, *, shifted: bool) -> None:
        super().__init__(width)
        self.attns = nn.ModuleList([PlainBranch(width) for _ in range(2)])
        self.proj_out = nn.Linear(2 * width, width)
        self.by = tuple(side // 2 for side in PLAIN_WINDOW) if shifted else (0, 0)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, T, H, W, D)` to the same shape."""
        projections = self._projections(0, 1)
        outputs = [self._output(branch, self.proj_out) for branch in range(2)]
        bias = self.proj_out.bias + outputs[0][1] + outputs[1][1]
        weights = (outputs[0][0], outputs[1][0])
        attend = partial(self._attend, projections=projections, weights=weights, bias=bias)
        (done,) = in_pieces(attend, shift(x, -self.by[0], -self.by[1]), unit=PLAIN_WINDOW[0])
        return shift(done, *self.by)

    def _attend(
        self, x: Tensor, projections: tuple[Tensor, ...], weights: tuple[Tensor, Tensor], bias: Tensor
    ) -> tuple[Tensor]:
        q0, k0, v0, q1, k1, v1 = linear_parts(into_windows(x, PLAIN_WINDOW), projections)
        first = F.linear(self.attns[0](q0, k0, v0), weights[0], bias)
        both = first + F.linear(self.attns[1](q1, k1, v1), weights[1])
        return (from_windows(both, PLAIN_WINDOW, x.shape[3]),)


class BridgeAttention(_Attention):
    """CDPA at full resolution: branches with windows of 8 x 32 and 32 x 8, shifted by half a window if `shifted`."""

    def __init__(self, width: int, *, shifted: bool) -> None:
        super().__init__(width)
        self.attns = nn.ModuleList([BridgeBranch(width, window) for window in BRIDGE_WINDOWS])
        self.proj_out = nn.Linear(2 * width, width)
        self.by = tuple((rows // 2, columns // 2) if shifted else (0, 0) for rows, columns in BRIDGE_WINDOWS)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, T, H, W, D)` to the same shape.

        Both branches add the picture as it was shifted for the first one; in a shifted block the second branch thus
        adds a picture that lies 12 px off in each direction. The authors' code does so and its weights expect it.
        """
        residual = shift(x, -self.by[0][0], -self.by[0][1])
        results = []
        for branch, (rows, columns) in enumerate(self.by):
            shifted = residual if branch == 0 else shift(x, -rows, -columns)
            results.append(shift(self._one_branch(branch, shifted, residual), rows, columns))
        return results[0] + results[1]

    def _one_branch(self, branch: int, x: Tensor, residual: Tensor) -> Tensor:
        attention, window = cast(BridgeBranch, self.attns[branch]), BRIDGE_WINDOWS[branch]
        projections, biases = self._projections(branch), attention.position_biases()

        def looked(x: Tensor) -> tuple[Tensor, ...]:
            q, k, v = linear_parts(into_windows(x, window), projections)
            results = attention.look(q, k, v, biases)
            return tuple(from_windows(result, window, x.shape[3]) for result in results)

        seen, across = in_pieces(looked, x, unit=window[0])
        local = attention.spread_locally(seen)
        weight, bias = self._output(branch, self.proj_out)
        bias = bias + self.proj_out.bias / len(self.attns)

        def finished(local: Tensor, residual: Tensor, across: Tensor) -> tuple[Tensor]:
            return (F.linear(mix_frames(across.movedim(-1, 2), local + residual), weight, bias),)

        (done,) = in_pieces(finished, local, residual, across)
        return done
