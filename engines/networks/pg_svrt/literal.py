"""PG-SVRT read literally, operation after operation as published: for benchmarks and tests only.

The yardstick of `network.PGSVRT`: what it must equal, and what it must be faster than. Nothing is shared with it, and
nothing here is folded, fused or kept between calls. Paper: arXiv 2603.00611; operations, names and order of the
released code (nju-cite/DynaSpec, MIT licence), whose state dict is read as it is.

Axes in the einsums: b windows or pixels, h value heads, i queries, j keys, d features of a head. Queries and keys have
one head, which every value head shares.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from livecassi.calibration import System

State = Mapping[str, Tensor]

_FRAMES = 3
_HEAD = 30  # features of one attention head
_MULTIPLE = 32  # of both sides inside the U-Net


def literal_forward(
    state: State, system: System, measurement: Tensor, mask: Tensor, bands: int = 30, step: int = 2
) -> Tensor:
    """The cubes `(1, 3, bands, H, W)` of three frames, by the authors' state dict.

    Dual disperser: `measurement (1, 3, H, W)` and `mask (H, W + step * (bands - 1))`. Single disperser: `measurement
    (1, 3, H, W + step * (bands - 1))` and `mask (H, W)`. Either may have what each band sees of the mask instead, in
    scene coordinates, `(bands, H, W)`. Sides of at least 17. No argument is checked or changed.
    """
    front = _single_front if system.single_disperser else _dual_front
    f0, pattern, density = front(measurement[0], mask, bands, step)
    f = _mgdp(_under(state, "mgdp"), f0, pattern, density)
    return _u_net(_under(state, "dsr"), f, f0)[None]


def _under(state: State, name: str) -> dict[str, Tensor]:
    """The entries below `name.`, by what follows it."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


# front end: measurement and mask become three stacks of planes, each (frames, bands, H, W)


def _dual_front(measurement: Tensor, mask: Tensor, bands: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
    width = measurement.shape[-1]
    if mask.ndim == 2:
        mask = torch.stack([torch.roll(mask, -step * band, dims=-1)[:, :width] for band in range(bands)])
    pattern = mask[None].repeat(_FRAMES, 1, 1, 1)
    f0 = measurement[:, None].repeat(1, bands, 1, 1) * (2 / bands)
    density = pattern.sum(1, keepdim=True).repeat(1, bands, 1, 1) * (2 / bands)
    return f0, pattern, density


def _single_front(measurement: Tensor, mask: Tensor, bands: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
    height, width = mask.shape[-2:]
    if mask.ndim == 2:
        mask = mask[None].repeat(bands, 1, 1)
    sheared = mask.new_zeros(_FRAMES, bands, height, width + step * (bands - 1))
    for band in range(bands):
        sheared[:, band, :, step * band : step * band + width] = mask[band]
    f0 = _shifted_back(measurement[:, None].repeat(1, bands, 1, 1), width, step) * (2 / bands)
    density = _shifted_back(sheared.sum(1, keepdim=True).repeat(1, bands, 1, 1), width, step) * (2 / bands)
    return f0, _shifted_back(sheared, width, step), density


def _shifted_back(wide: Tensor, width: int, step: int) -> Tensor:
    back = wide.clone()
    for frame in range(wide.shape[0]):
        for band in range(wide.shape[1]):
            back[frame, band] = torch.roll(wide[frame, band], -step * band, dims=-1)
    return back[..., :width]


def _mgdp(state: State, f0: Tensor, pattern: Tensor, density: Tensor) -> Tensor:
    """The mask-guided estimate (frames, bands, H, W)."""
    seen = _layer_norm(state, "norm_n", torch.cat([f0, pattern], dim=1))
    guide = _layer_norm(state, "norm_mask", torch.cat([pattern, density], dim=1))
    fused = F.gelu(F.conv2d(seen, state["fusion.0.weight"]))
    weight = torch.sigmoid(F.conv2d(guide, state["weight.0.weight"]))
    return F.conv2d(fused * weight, state["out.0.weight"])


def _layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    """LayerNorm over axis 1, the channels, by way of channels last."""
    last = x.movedim(1, -1).contiguous()
    normed = F.layer_norm(last, last.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5)
    return normed.movedim(-1, 1).contiguous()


def _u_net(state: State, f: Tensor, f0: Tensor) -> Tensor:
    height, width = f.shape[-2:]
    border = (0, -width % _MULTIPLE, 0, -height % _MULTIPLE)
    f, f0 = F.pad(f, border, mode="reflect"), F.pad(f0, border, mode="reflect")
    interleaved = torch.stack([f, f0], dim=2).flatten(1, 2)
    skip = F.conv2d(interleaved, state["shuffle_conv"], groups=f.shape[1])

    x1 = F.conv2d(interleaved, state["conv_in.weight"], padding=1)
    x1 = _stage(state, "down1", x1, shifted=False)
    x2 = F.conv2d(x1, state["downsample1.weight"], stride=2, padding=1)
    x2 = _stage(state, "down2", x2, shifted=False)
    x = F.conv2d(x2, state["downsample2.weight"], stride=2, padding=1)

    first, last = x.chunk(2, dim=1)
    local = _stage(state, "bottleneck_local", first, shifted=False)
    x = torch.cat([local, _stage(state, "bottleneck_swin", last + local, shifted=True)], dim=1)

    x = F.conv_transpose2d(x, state["upsample2.weight"], state["upsample2.bias"], stride=2)
    x = x2 + F.conv2d(torch.cat([x, x2], dim=1), state["fusion2.weight"])
    x = _stage(state, "up2", x, shifted=True)
    x = F.conv_transpose2d(x, state["upsample1.weight"], state["upsample1.bias"], stride=2)
    x = x1 + F.conv2d(torch.cat([x, x1], dim=1), state["fusion1.weight"])
    x = _stage(state, "up1", x, shifted=True)
    return (F.conv2d(x, state["conv_out.weight"], padding=1) + skip)[..., :height, :width]


def _stage(state: State, name: str, frames: Tensor, *, shifted: bool) -> Tensor:
    """The blocks `name.0`, `name.1` ... on frames (frames, D, h, w)."""
    x = frames.transpose(0, 1)[None].contiguous()  # (1, D, T, h, w)
    blocks = _under(state, name)
    block = 0
    while here := _under(blocks, str(block)):
        x = x + F.conv3d(x, here["pos_emb.weight"], padding=(1, 2, 2), groups=x.shape[1])
        x = x + _cdpa(_under(here, "cdpa"), _layer_norm(here, "norm1", x), shifted=shifted)
        x = x + _mdffn(_under(here, "mdffn"), _layer_norm(here, "norm2", x))
        block += 1
    return x[0].transpose(0, 1).contiguous()


def _mdffn(state: State, x: Tensor) -> Tensor:
    width = x.shape[1]
    x = F.gelu(F.conv3d(x, state["pwconv1.0.weight"], groups=width))
    spatial, temporal = x[:, 0::2], x[:, 1::2]
    spatial = F.gelu(F.conv3d(spatial, state["spconv.0.weight"], padding=(0, 1, 1)))
    temporal = F.gelu(F.conv3d(temporal, state["tempconv.0.weight"], padding=(1, 0, 0)))
    both = F.gelu(F.conv3d(torch.cat([spatial, temporal], dim=1), state["groupconv.0.weight"], groups=2))
    spatial, temporal = both.chunk(2, dim=1)
    return F.conv3d(torch.stack([spatial, temporal], dim=2).flatten(1, 2), state["pwconv2.weight"], groups=width)


def _cdpa(state: State, normed: Tensor, *, shifted: bool) -> Tensor:
    """Attention in two branches of different windows, in space and then across frames: (1, D, T, h, w)."""
    x = normed.permute(0, 2, 3, 4, 1).contiguous()  # (1, T, h, w, D)
    bridge = "attns.0.dwc.weight" in state
    windows = ((8, 32), (32, 8)) if bridge else ((8, 8), (8, 8))
    qk, v = F.linear(x, state["to_qk.weight"]), F.linear(x, state["to_v.weight"])
    q0, q1, k0, k1 = qk.split(_HEAD, dim=-1)
    v0, v1 = v.chunk(2, dim=-1)
    shifts = [(rows // 2, columns // 2) if shifted else (0, 0) for rows, columns in windows]
    # The released code rolls the residual once, for branch 0, and hands the same copy to branch 1.
    residual = _rolled_back(x, shifts[0])
    outputs = []
    for branch, (q, k, v) in enumerate(((q0, k0, v0), (q1, k1, v1))):
        here, shift = _under(state, f"attns.{branch}"), shifts[branch]
        q, k, v = (_rolled_back(part, shift) for part in (q, k, v))
        out = _bridge(here, q, k, v, residual, windows[branch]) if bridge else _plain(here, q, k, v, windows[branch])
        out = _across_frames(_under(here, "cal_atten_tp"), q, k, out)
        out = F.linear(out, here["to_out.weight"], here["to_out.bias"])
        outputs.append(torch.roll(out, shift, dims=(2, 3)))
    return F.linear(torch.cat(outputs, dim=-1), state["proj_out.weight"], state["proj_out.bias"]).permute(0, 4, 1, 2, 3)


def _rolled_back(x: Tensor, shift: tuple[int, int]) -> Tensor:
    return torch.roll(x, (-shift[0], -shift[1]), dims=(2, 3))


def _plain(state: State, q: Tensor, k: Tensor, v: Tensor, window: tuple[int, int]) -> Tensor:
    height, width = v.shape[2:4]
    q, k, v = (_into_windows(part, window) for part in (q, k, v))
    attention = _gated(_under(state, "cal_atten_sp"), q, k, diagonal=False)
    return _from_windows(torch.einsum("bhij,bhjd->bhid", attention, v), window, height, width)


def _bridge(state: State, q: Tensor, k: Tensor, v: Tensor, residual: Tensor, window: tuple[int, int]) -> Tensor:
    height, width = residual.shape[2:4]
    q, k, v = (_into_windows(part, window) for part in (q, k, v))
    pooled = F.avg_pool2d(q.view(-1, *window, _HEAD).permute(0, 3, 1, 2), 2)
    tokens = pooled.flatten(2).transpose(1, 2)[:, None]  # (windows, 1, 64, 30)

    gathering = F.interpolate(state["an_bias"], window, mode="bilinear", align_corners=False).flatten(2)[0]
    gathering = gathering + (state["ah_bias"] + state["aw_bias"])[0, 0].flatten(1)  # (64, wh·ww)
    attention = _gated(_under(state, "cal_atten_agent_linner"), tokens, k, gathering, diagonal=True)
    gathered = torch.einsum("bhij,bhjd->bhid", attention, v)

    spreading = F.interpolate(state["na_bias"], window, mode="bilinear", align_corners=False).flatten(2)[0].T
    spreading = spreading + (state["ha_bias"] + state["wa_bias"])[0, 0].flatten(0, 1)  # (wh·ww, 64)
    attention = _gated(_under(state, "cal_atten_agent_soft"), q, tokens, spreading, diagonal=True)
    out = _from_windows(torch.einsum("bhij,bhjd->bhid", attention, gathered), window, height, width)

    images = out[0].permute(0, 3, 1, 2)  # (T, D, h, w)
    local = F.conv2d(images, state["dwc.weight"], state["dwc.bias"], padding=1, groups=images.shape[1])
    return local.permute(0, 2, 3, 1)[None] + residual


def _across_frames(state: State, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention among the three frames of each pixel: (1, T, h, w, D)."""
    _, frames, height, width, _ = v.shape
    q, k, v = (
        part[0].flatten(1, 2).view(frames, height * width, -1, _HEAD).permute(1, 2, 0, 3) for part in (q, k, v)
    )  # (pixels, heads, T, 30)
    out = torch.einsum("bhij,bhjd->bhid", _gated(state, q, k, diagonal=False), v)
    return out.permute(2, 0, 1, 3).reshape(1, frames, height, width, -1)


def _gated(state: State, q: Tensor, k: Tensor, bias: Tensor | None = None, *, diagonal: bool) -> Tensor:
    """The attention map (b, 1, i, j): softmax with a temperature per pair, closed where logits are below a threshold.

    The threshold comes from likeness without temperature; `diagonal` tells whether a token's likeness to itself counts.
    """
    likeness = torch.einsum("bhid,bhjd->bhij", q, k)
    if bias is not None:
        likeness = likeness + bias
    a = F.linear(q, state["pc_proj_q.weight"]) + state["bias_pc_proj_q"]
    b = F.linear(k, state["pc_proj_k.weight"]) + state["bias_pc_proj_k"]
    sigma = torch.einsum("bhid,bhjd->bhij", a, b)
    logits = likeness * sigma
    if not diagonal:
        likeness = likeness - torch.diag_embed(torch.diagonal(likeness, dim1=-2, dim2=-1))
    row = F.linear(likeness, state["mlp1.0.weight"]).squeeze(-1)
    hidden = F.leaky_relu(F.linear(row, state["mlp2.0.weight"]), 0.1)
    threshold = F.linear(hidden, state["mlp2.2.weight"])[..., None]
    return torch.softmax(logits, dim=-1) * (logits > threshold).to(logits.dtype)


def _into_windows(x: Tensor, window: tuple[int, int]) -> Tensor:
    """(1, T, h, w, channels) as (windows, heads, tokens, 30)."""
    _, frames, height, width, channels = x.shape
    rows, columns = window
    x = x.reshape(frames, height // rows, rows, width // columns, columns, channels // _HEAD, _HEAD)
    return x.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, channels // _HEAD, rows * columns, _HEAD)


def _from_windows(x: Tensor, window: tuple[int, int], height: int, width: int) -> Tensor:
    """(windows, heads, tokens, 30) as (1, T, h, w, channels)."""
    rows, columns = window
    heads = x.shape[1]
    x = x.view(_FRAMES, height // rows, width // columns, heads, rows, columns, _HEAD)
    return x.permute(0, 1, 4, 2, 5, 3, 6).reshape(1, _FRAMES, height, width, heads * _HEAD)
