"""PG-SVRT: from three coded frames to three cubes, for all four systems.

"Exploring Spatiotemporal Feature Propagation for Video-Level Compressive Spectral Reconstruction", CVPR 2026; the
facts are in pg-svrt.md. Parameter names are those of the authors' state dict, which loads unchanged.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from livecassi.calibration import Calibration, System
from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.networks.inputs import network_mask
from livecassi.engines.networks.pg_svrt.attention import FRAMES
from livecassi.engines.networks.pg_svrt.front import MaskGuidedEstimate, PreparedMask, dispersed_sum, shifted_back
from livecassi.engines.networks.pg_svrt.unet import MULTIPLE, UNet

SMALLEST_SIDE = MULTIPLE // 2 + 1  # reflection to the next multiple needs that many pixels


class PGSVRT(nn.Module):
    """The network. Raw measurements `(B, 3, H, W')` and a mask in, cubes `(B, 3, C, H, W)` out.

    W' is W + step (C - 1) for single-disperser systems, else W. H and W are at least 17. Inputs stay as they are; they
    may be of any real type and are computed with in the type of the parameters.
    """

    def __init__(self, system: System | str, bands: int = 30, step: int = 2) -> None:
        super().__init__()
        self.system = System(system)
        self.bands, self.step = bands, step
        self.mgdp = MaskGuidedEstimate(bands)
        self.dsr = UNet(bands)
        self.apply(_initialise)
        for layer in (self.mgdp.fusion, self.mgdp.weight, self.mgdp.out):
            nn.init.trunc_normal_(layer.get_parameter("0.weight"), std=0.02)

    @property
    def largest_shift(self) -> int:
        """Columns between the first and the last band."""
        return self.step * (self.bands - 1)

    def prepare(self, mask: Tensor) -> PreparedMask:
        """What depends on the mask alone; do it once per calibration and hand the result to `forward`.

        `mask` is the pattern of the coded aperture, `(H, W)` for a single and `(H, W + step (C - 1))` for a dual
        disperser, or what each band sees of it in scene coordinates, `(C, H, W)`, or `(B, C, H, W)` where every clip of
        a batch has its own. Raises `EngineMismatchError`.
        """
        mask = mask.to(self._dtype)
        single = self.system.single_disperser
        if mask.ndim == 2:
            width = mask.shape[1] - (0 if single else self.largest_shift)
            self._check_size("mask", mask, mask.shape[0], width)
            pattern = (
                mask[..., None].expand(*mask.shape, self.bands)
                if single
                else shifted_back(mask, width, self.bands, self.step)
            )
        elif mask.ndim in (3, 4) and mask.shape[-3] == self.bands:
            self._check_size("mask", mask, *mask.shape[-2:])
            pattern = mask.movedim(-3, -1)
            pattern = pattern[:, None] if mask.ndim == 4 else pattern  # one for the frames of a clip
        else:
            self._refuse("mask", mask, f"(H, W), ({self.bands}, H, W) or (B, {self.bands}, H, W)")
        width = pattern.shape[-2]
        if single:
            density = shifted_back(dispersed_sum(pattern.movedim(-1, -3), self.step), width, self.bands, self.step)
        else:
            density = pattern.sum(-1, keepdim=True).expand_as(pattern)
        return PreparedMask(pattern.contiguous(), self.mgdp.mask_weight(pattern, density * (2 / self.bands)))

    def for_bench(self, calibration: Calibration, device: torch.device | str = "cpu") -> PreparedMask:
        """The same for a calibration, on a device."""
        return self.prepare(torch.from_numpy(network_mask(calibration).copy()).to(device))

    def forward(self, measurement: Tensor, mask: Tensor | PreparedMask) -> Tensor:
        """Cubes `(B, 3, C, H, W)` of measurements `(B, 3, H, W')`, not clipped. Raises `EngineMismatchError`."""
        prepared = mask if isinstance(mask, PreparedMask) else self.prepare(mask)
        height, width = prepared.size
        wide = width + (self.largest_shift if self.system.single_disperser else 0)
        if measurement.ndim != 4 or measurement.shape[1] != FRAMES:
            self._refuse("measurement", measurement, f"(B, {FRAMES}, {height}, {wide}): {FRAMES} consecutive frames")
        if tuple(measurement.shape[2:]) != (height, wide):
            self._refuse("measurement", measurement, f"(B, {FRAMES}, {height}, {wide}), as wide as its mask asks for")
        if prepared.pattern.ndim == 5 and len(prepared.pattern) != len(measurement):
            self._refuse("measurement", measurement, f"{len(prepared.pattern)} clips, as many as there are masks")
        scaled = measurement.to(self._dtype) * (2 / self.bands)
        if self.system.single_disperser:
            f0 = shifted_back(scaled, width, self.bands, self.step)
        else:
            f0 = scaled[..., None].expand(*scaled.shape, self.bands)
        cubes: Tensor = self.dsr(self.mgdp(f0, prepared), f0)
        return cubes.movedim(-1, 2).contiguous()

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As any module; the authors' keys fit with or without the prefix `module.` of a data-parallel training."""
        plain = {key.removeprefix("module."): value for key, value in state_dict.items()}
        return super().load_state_dict(plain, strict, assign)

    @property
    def _dtype(self) -> torch.dtype:
        return self.mgdp.norm_mask.weight.dtype

    def _check_size(self, what: str, found: Tensor, height: int, width: int) -> None:
        if min(height, width) < SMALLEST_SIDE:
            wanted = f"at least {SMALLEST_SIDE} rows and columns of the scene"
            extra = "" if self.system.single_disperser else f" (the mask itself is {self.largest_shift} columns wider)"
            self._refuse(what, found, f"{wanted}{extra}")

    def _refuse(self, what: str, found: Tensor, expected: str) -> NoReturn:
        raise EngineMismatchError(
            f"the {what} has shape {tuple(found.shape)}, PG-SVRT for {self.system} with {self.bands} bands "
            f"{self.step} px apart expects {expected}; choose the mask and the measurements of one calibration"
        )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
