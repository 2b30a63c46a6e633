"""A block of MST: attention over channels, weighted by the mask, and a feed-forward part. Features `(B, H, W, D)`.

"Mask-guided Spectral-wise Transformer for Efficient Hyperspectral Image Reconstruction", CVPR 2022; the facts are in
mst-bisrnet-sdp.md, section 5. Parameter names are the authors'.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livecassi.engines.networks.stills.modulation import Modulation, Site, modulated
from livecassi.engines.networks.stills.mst.mask_branch import MaskAttention
from livecassi.engines.networks.stills.shortened import Shortened
from livecassi.engines.networks.stills.strips import (
    Beyond,
    convolved,
    in_strips,
    linear,
    put_together,
    strips,
    without_beside,
)

EXPANSION = 4  # of the features inside the feed-forward part
SHORTEST = 1e-12  # queries and keys
ROWS = 1  # the dimension of features


class SpectralAttention(Shortened):
    """MS-MSA: every channel of a head attends to those that go up and down with it over all pixels."""

    def __init__(self, width: int, heads: int, step: int) -> None:
        super().__init__()
        self.heads = heads
        self.rescale = nn.Parameter(torch.ones(heads, 1, 1))
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(width, width, bias=False)
        self.to_v = nn.Linear(width, width, bias=False)
        self.proj = nn.Linear(width, width)
        self.pos_emb = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False, groups=width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False, groups=width),
        )
        self.mm = MaskAttention(width, heads, step)  # as many heads as the features are smaller

    def forward(self, x: Tensor, mask_weight: Tensor, modulation: Modulation | None, site: str) -> Tensor:
        """x and what attention adds, `(B, H, W, D)`.

        `mask_weight` is what `mm` makes of the mask, of one sample or of each; a prior acts on what is attended to.
        """
        attention = self._attention(x, modulation, site)
        first, second = cast("tuple[nn.Conv2d, nn.Conv2d]", (self.pos_emb[0], self.pos_emb[2]))
        parts = []
        for strip in strips(x, ROWS, whole=self.literal):
            values = self.to_v(modulated(strip.rows(x, 2), modulation, site, channels_last=True))
            position = convolved(F.gelu(convolved(values, first, strip.beyond(2))), second, strip.beyond(1))
            own = without_beside(without_beside(values, strip.beyond(2), ROWS), strip.beyond(1), ROWS)
            gathered = self._gathered(own * strip.rows(mask_weight), attention)
            parts.append(gathered + position + strip.rows(x))
        return put_together(parts, ROWS)

    def _attention(self, x: Tensor, modulation: Modulation | None, site: str) -> Tensor:
        """How much every channel takes from every other of its head, `(B, heads, D / heads, D / heads)`."""
        smaller = (x.shape[1] * x.shape[2]) ** -0.25  # no effect but that fp16 holds the sums over pixels
        to_q, to_k = self.to_q.weight * smaller, self.to_k.weight * smaller
        products, of_queries, of_keys = [], [], []
        for strip in strips(x, ROWS, whole=self.literal):
            seen = modulated(strip.rows(x), modulation, site, channels_last=True).flatten(1, 2)
            queries, keys = F.linear(seen, to_q), F.linear(seen, to_k)
            products.append(self._by_head(keys).mT @ self._by_head(queries))
            of_queries.append(_lengths(queries))
            of_keys.append(_lengths(keys))
        queries, keys = (
            torch.linalg.vector_norm(torch.stack(lengths), dim=0).clamp(min=SHORTEST).unflatten(-1, (self.heads, -1))
            for lengths in (of_queries, of_keys)
        )
        similarity = torch.stack(products).sum(0) / (keys[..., :, None] * queries[..., None, :])
        attention: Tensor = (similarity * self.rescale).softmax(-1)
        return attention

    def _gathered(self, values: Tensor, attention: Tensor) -> Tensor:
        """Values `(B, H, W, D)` taken by every channel as `attention` says, and projected."""
        tokens = values.flatten(1, 2)
        if self.literal:
            taken = (self._by_head(tokens) @ attention.mT).transpose(1, 2).flatten(2)
            projected: Tensor = self.proj(taken).view(values.shape)
            return projected
        by_head = self.proj.weight.unflatten(1, (self.heads, -1)).transpose(0, 1)
        both = (by_head @ attention).transpose(1, 2).flatten(2)  # (B, D, D): one product for two
        return torch.baddbmm(self.proj.bias, tokens, both.mT).view(values.shape)

    def _by_head(self, tokens: Tensor) -> Tensor:
        """`(B, N, D)` as `(B, heads, N, D / heads)`."""
        heads: Tensor = tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return heads


def _lengths(tokens: Tensor) -> Tensor:
    """Of every channel of `(B, N, D)` over all pixels, `(B, D)`: in fp32 at least, since fp16 has no `SHORTEST`."""
    lengths: Tensor = torch.linalg.vector_norm(tokens, dim=1, dtype=torch.promote_types(tokens.dtype, torch.float32))
    return lengths


class FeedForward(nn.Module):
    """Two linear maps over channels; between them a 3 x 3 convolution of each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = EXPANSION * width
        self.net = nn.Sequential(
            nn.Conv2d(width, hidden, 1, bias=False),
            nn.GELU(),
            nn.Conv2d(hidden, hidden, 3, padding=1, bias=False, groups=hidden),
            nn.GELU(),
            nn.Conv2d(hidden, width, 1, bias=False),
        )

    @property
    def layers(self) -> tuple[nn.Conv2d, nn.Conv2d, nn.Conv2d]:
        """To more channels, within each, and back."""
        return cast("tuple[nn.Conv2d, nn.Conv2d, nn.Conv2d]", tuple(self.net[place] for place in (0, 2, 4)))


class NormedFeedForward(Shortened):
    """A LayerNorm, where a prior may act, and `FeedForward`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fn = FeedForward(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, modulation: Modulation | None, site: str) -> Tensor:
        """x and what is added to it, `(B, H, W, D)`."""
        wider, within, back = self.fn.layers

        def refined(x: Tensor, beyond: Beyond) -> Tensor:
            normed = modulated(self.norm(x), modulation, site, channels_last=True)
            hidden = F.gelu(convolved(F.gelu(linear(normed, wider)), within, beyond))
            return linear(hidden, back) + without_beside(x, beyond, ROWS)

        return in_strips(refined, x, 1, ROWS, whole=self.literal)


class Blocks(Shortened):
    """MSAB: `depth` blocks at one place of the U-Net, where the scene is halved `level` times.

    `literal`: what depends on the mask alone is computed in every pass.
    """

    def __init__(self, place: str, bands: int, step: int, level: int, depth: int) -> None:
        super().__init__()
        self.level, self.width = level, bands << level
        self.names = [f"{place}.{block}" for block in range(depth)]
        self.blocks = nn.ModuleList(
            nn.ModuleList([SpectralAttention(self.width, 1 << level, step), NormedFeedForward(self.width)])
            for _ in range(depth)
        )

    @property
    def sites(self) -> tuple[Site, ...]:
        """Two in each block: the input of the attention, and the feed-forward part after its LayerNorm."""
        parts = ("attention", "feed_forward")
        return tuple(Site(f"{name}.{part}", self.width) for name in self.names for part in parts)

    def mask_weights(self, mask: Tensor, width: int) -> tuple[Tensor, ...]:
        """One for each block, from the sheared mask of this size, for features of `width` columns."""
        return tuple(attention.mm(mask, width) for attention, _ in self._pairs)

    def forward(self, x: Tensor, mask_weights: tuple[Tensor, ...], modulation: Modulation | None) -> Tensor:
        """`(B, H, W, D)` to the same shape."""
        for name, weight, (attention, feed_forward) in zip(self.names, mask_weights, self._pairs, strict=True):
            x = attention(x, weight, modulation, f"{name}.attention")
            x = feed_forward(x, modulation, f"{name}.feed_forward")
        return x

    @property
    def _pairs(self) -> list[tuple[SpectralAttention, NormedFeedForward]]:
        return cast("list[tuple[SpectralAttention, NormedFeedForward]]", list(self.blocks))
