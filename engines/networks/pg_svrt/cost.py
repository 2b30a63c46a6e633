"""What PG-SVRT costs in multiply-adds (MAC), layer by layer as published (pg-svrt.md, sections 3 to 5).

The counts are of the network as the paper draws it, whatever an implementation folds or skips, and the same for single
and dual dispersers. Two readings: `products`, convolutions and matrix products alone, which is what
`torch.utils.flop_counter` counts (two operations for each); and `published`, which reproduces the 28.18 GiMAC per frame
of the paper by adding the outer products of the temperatures and 5 for every value that a LayerNorm takes.
"""

from dataclasses import astuple, dataclass

_FRAMES = 3
_BANDS = 30
_WIDE = 2 * _BANDS
_HEAD = 30
_MULTIPLE = 32  # of both sides inside the U-Net
_WINDOW, _BRIDGE_WINDOW, _BRIDGE_TOKENS = 8 * 8, 8 * 32, 8 * 8


@dataclass(frozen=True, slots=True)
class Macs:
    """Multiply-adds of one window of three frames, by what they are spent on."""

    convolutions: int = 0
    projections: int = 0  # tokens to queries, keys and values, and attention's results to features
    attention: int = 0  # queries with keys, maps with values
    gates: int = 0  # the linear layers of temperatures and thresholds
    temperatures: int = 0  # outer products: one multiplication per pair of tokens
    normalised: int = 0  # values that a LayerNorm takes

    def __add__(self, other: "Macs") -> "Macs":
        return Macs(*(own + others for own, others in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, times: int) -> "Macs":
        return Macs(*(own * times for own in astuple(self)))

    @property
    def products(self) -> int:
        """Convolutions and matrix products."""
        return self.convolutions + self.projections + self.attention + self.gates

    @property
    def published(self) -> int:
        """As the figure of the paper was counted."""
        return self.products + self.temperatures + 5 * self.normalised

    @property
    def published_gimac_per_frame(self) -> float:
        """`published` for one frame, in units of 2³⁰: the paper's 28.18 "GFLOPs" at 256 x 256."""
        return self.published / _FRAMES / 2**30


def count_macs(height: int, width: int) -> Macs:
    """The cost of three frames of a scene `(height, width)`, with what is added to reach multiples of 32."""
    scene = _FRAMES * height * width
    full = _FRAMES * (height + -height % _MULTIPLE) * (width + -width % _MULTIPLE)
    half, quarter = full // 4, full // 16
    estimate = Macs(convolutions=scene * (2 * _WIDE * _BANDS + _BANDS * _BANDS), normalised=scene * 2 * _WIDE)
    ends = full * (2 * _BANDS + 9 * _WIDE * _BANDS + 9 * _BANDS * _BANDS)  # skip, conv_in, conv_out
    down = half * 16 * _BANDS * _WIDE + quarter * 16 * _WIDE * 2 * _WIDE
    up = full * _WIDE * _BANDS + half * 2 * _WIDE * _WIDE  # every pixel of a transposed 2 x 2 has one source
    fusion = full * _WIDE * _BANDS + half * 2 * _WIDE * _WIDE
    return (
        estimate
        + Macs(convolutions=ends + down + up + fusion)
        + _block(full, _BANDS, bridge=True) * 4
        + _block(half, _WIDE, bridge=False) * 8
        + _block(quarter, _WIDE, bridge=False) * 8
    )


def _block(pixels: int, width: int, *, bridge: bool) -> Macs:
    """One block on `pixels` of all frames together."""
    position = 3 * 5 * 5 * width
    feed_forward = 2 * width + 9 * width * width + 3 * width * width + 2 * width * width + 2 * width
    projections = (
        4 * _HEAD * width + 2 * width * width + 2 * width * width + 2 * width * width
    )  # qk, v, to_out, proj_out
    branch = _gated(_FRAMES, _FRAMES, width) * (pixels // _FRAMES)
    if bridge:
        windows = pixels // _BRIDGE_WINDOW
        branch += _gated(_BRIDGE_TOKENS, _BRIDGE_WINDOW, width) * windows
        branch += _gated(_BRIDGE_WINDOW, _BRIDGE_TOKENS, width) * windows
        branch += Macs(convolutions=pixels * 9 * width)
    else:
        branch += _gated(_WINDOW, _WINDOW, width) * (pixels // _WINDOW)
    shared = Macs(pixels * (position + feed_forward), pixels * projections, normalised=pixels * 2 * width)
    return shared + branch * 2


def _gated(queries: int, keys: int, width: int) -> Macs:
    """One gated attention of `queries` to `keys`, its map applied to values of `width` features."""
    pairs = queries * keys
    threshold = pairs + queries * queries + queries
    return Macs(attention=pairs * (_HEAD + width), gates=(queries + keys) * _HEAD + threshold, temperatures=pairs)
