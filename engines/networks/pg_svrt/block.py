"""One block of PG-SVRT: position, attention, feed-forward, each added to what comes in (pg-svrt.md, 4.1 and 4.2)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from livecassi.engines.networks.pg_svrt.attention import BridgeAttention, PlainAttention
from livecassi.engines.networks.pg_svrt.layers import across_frames, conv2d
from livecassi.engines.networks.pg_svrt.windows import in_pieces


class PositionEmbedding(nn.Conv3d):
    """Depthwise 3 x 5 x 5 convolution over time, rows and columns, as three depthwise 5 x 5 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, (3, 5, 5), padding=(1, 2, 2), groups=width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, T, H, W, D)` to the same shape."""
        return across_frames(*self.taps(x))

    def taps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What every frame gives to the next, to itself and to the one before; `across_frames` adds it up."""
        before, centre, after = (
            conv2d(frames, self.weight[:, :, tap], padding=2, groups=x.shape[-1])
            for tap, frames in enumerate((x[:, :-1], x, x[:, 1:]))
        )
        return before, centre, after


class MultiDomainFeedForward(nn.Module):
    """MDFFN: one copy of every channel mixed in space, one in time, both gathered again."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pwconv1 = nn.Sequential(nn.Conv3d(width, 2 * width, 1, groups=width, bias=False))
        self.spconv = nn.Sequential(nn.Conv3d(width, width, (1, 3, 3), padding=(0, 1, 1), bias=False))
        self.tempconv = nn.Sequential(nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0), bias=False))
        self.groupconv = nn.Sequential(nn.Conv3d(2 * width, 2 * width, 1, groups=2, bias=False))
        self.pwconv2 = nn.Conv3d(2 * width, width, 1, groups=width, bias=False)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """`residual` plus what becomes of x, both `(B, T, H, W, D)`.

        Convolutions of one weight per channel are plain multiplications.
        """
        width = x.shape[-1]
        scale_space, scale_time = self.pwconv1.get_parameter("0.weight").view(width, 2).unbind(1)
        gather_space, gather_time = self.groupconv.get_parameter("0.weight").view(2, width, width).unbind(0)
        weigh_space, weigh_time = self.pwconv2.weight.view(width, 2).unbind(1)
        before, centre, after = self.tempconv.get_parameter("0.weight")[..., 0, 0].unbind(2)

        def scaled(x: Tensor) -> tuple[Tensor]:
            return (F.gelu(x * scale_space),)

        def gathered(in_space: Tensor, x: Tensor, residual: Tensor) -> tuple[Tensor]:
            x = F.gelu(x * scale_time)
            in_time = across_frames(F.linear(x[:, :-1], before), F.linear(x, centre), F.linear(x[:, 1:], after))
            space = F.gelu(F.linear(F.gelu(in_space), gather_space))
            time = F.gelu(F.linear(F.gelu(in_time), gather_time))
            return (torch.addcmul(torch.addcmul(residual, space, weigh_space), time, weigh_time),)

        (space,) = in_pieces(scaled, x)
        in_space = conv2d(space, self.spconv.get_parameter("0.weight")[:, :, 0], padding=1)
        (done,) = in_pieces(gathered, in_space, x, residual)
        return done


class Block(nn.Module):
    """Position embedding, CDPA and MDFFN, each with its residual.

    `recompute`: in training, what is inside is computed once more for the gradient instead of being kept: a fraction of
    the memory for a third more time.
    """

    recompute = False

    def __init__(self, width: int, *, bridge: bool, shifted: bool) -> None:
        super().__init__()
        attention = BridgeAttention if bridge else PlainAttention
        self.pos_emb = PositionEmbedding(width)
        self.norm1 = nn.LayerNorm(width)
        self.cdpa = attention(width, shifted=shifted)
        self.norm2 = nn.LayerNorm(width)
        self.mdffn = MultiDomainFeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, T, H, W, D)` to the same shape."""
        if self.recompute and torch.is_grad_enabled():
            kept: Tensor = checkpoint(self._refined, x, use_reentrant=False)
            return kept
        return self._refined(x)

    def _refined(self, x: Tensor) -> Tensor:
        x, normed = in_pieces(self._placed, x, *self.pos_emb.taps(x))
        x, normed = in_pieces(self._attended, x, self.cdpa(normed))
        refined: Tensor = self.mdffn(normed, x)
        return refined

    def _placed(self, x: Tensor, *taps: Tensor) -> tuple[Tensor, Tensor]:
        x = x + across_frames(*taps)
        return x, self.norm1(x)

    def _attended(self, x: Tensor, attention: Tensor) -> tuple[Tensor, Tensor]:
        x = x + attention
        return x, self.norm2(x)
