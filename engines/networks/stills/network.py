"""What all still networks share: a measurement and a bench in, a cube out, for scenes of any size."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NoReturn

import torch
from torch import Tensor, nn

from livecassi.calibration import Calibration, System
from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.networks.inputs import network_mask
from livecassi.engines.networks.stills.bench import StillBench, band_taps, still_bench
from livecassi.engines.networks.stills.modulation import Modulation, Site


class StillNetwork(nn.Module, ABC):
    """A network that looks at one frame: measurements `(B, 1, H, W')` in, cubes `(B, 1, C, H, W)` out, not clipped.

    The axis of one frame is there so that it is run, exported and tiled as networks of several frames are. `step` is
    the shift in columns from band to band where a bench does not tell its own.
    """

    def __init__(self, system: System | str, bands: int, step: int) -> None:
        super().__init__()
        self.system = System(system)
        self.bands, self.step = bands, step

    @property
    def largest_shift(self) -> int:
        """Columns between the first and the last band."""
        return self.step * (self.bands - 1)

    @abstractmethod
    def estimate(self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None) -> Tensor:
        """Cubes `(B, C, H, W)` of measurements `(B, H, W')`."""

    def estimate_stages(
        self, measurement: Tensor, bench: StillBench, modulation: Modulation | None = None
    ) -> list[Tensor]:
        """The cubes of every stage of an unfolding network, the last one is its result; of others that alone."""
        return [self.estimate(measurement, bench, modulation)]

    @abstractmethod
    def injection_sites(self) -> tuple[Site, ...]:
        """Where a prior may act; `modulation` has an entry for each."""

    def prepare(self, mask: Tensor, shifts_px: Sequence[float] | None = None, columns: int | None = None) -> StillBench:
        """What depends on the bench alone; do it once and hand it to `forward`.

        `mask` is the pattern of the coded aperture, `(H, W)`, with a dual disperser `(H, W + step (C - 1))`, or what
        each band sees of it in scene coordinates, `(C, H, W)` or `(B, C, H, W)`. `shifts_px` of each band: whole steps
        where they are not given; measurements are `columns` wide. Raises `EngineMismatchError`.
        """
        mask = mask.to(self._dtype)
        single = self.system.single_disperser
        if mask.ndim == 2:
            width = mask.shape[1] if single else mask.shape[1] - self.largest_shift
            starts = [0 if single else self.step * band for band in range(self.bands)]
            mask = torch.stack([mask[:, start : start + width] for start in starts])
        if mask.ndim not in (3, 4) or mask.shape[-3] != self.bands or min(mask.shape[-2:]) < 1:
            self._refuse("mask", mask, f"(H, W), ({self.bands}, H, W) or (B, {self.bands}, H, W)")
        if not single:
            return still_bench(mask, (), mask.shape[-1])
        shifts = [self.step * band for band in range(self.bands)] if shifts_px is None else list(shifts_px)
        beyond = self.largest_shift if columns is None else columns - mask.shape[-1]
        return still_bench(mask, band_taps(shifts), mask.shape[-1] + beyond)

    def for_bench(self, calibration: Calibration, device: torch.device | str = "cpu") -> StillBench:
        """The bench of a calibration, at its shifts. Raises `EngineMismatchError` for another number of bands."""
        mask = torch.from_numpy(network_mask(calibration).copy()).to(device)
        if len(calibration.dispersion_px) != self.bands:
            self._refuse("dispersion", torch.empty(len(calibration.dispersion_px)), f"({self.bands},)")
        return self.prepare(mask, calibration.dispersion_px.tolist(), calibration.measurement_shape[1])

    def forward(self, measurement: Tensor, bench: StillBench | Tensor, *, every_stage: bool = False) -> Tensor:
        """Cubes `(B, 1, C, H, W)` of measurements `(B, 1, H, W')`, or `(B, S, C, H, W)`: those of every stage.

        Raises `EngineMismatchError`.
        """
        seen, prepared = self.checked(measurement, bench)
        if every_stage:
            return torch.stack(self.estimate_stages(seen, prepared), 1)
        return self.estimate(seen, prepared).unsqueeze(1)

    def checked(self, measurement: Tensor, bench: StillBench | Tensor) -> tuple[Tensor, StillBench]:
        """What `estimate` takes, of what `forward` takes. Raises `EngineMismatchError`."""
        prepared = bench if isinstance(bench, StillBench) else self.prepare(bench)
        expected = (prepared.size[0], prepared.columns)
        if measurement.ndim != 4 or measurement.shape[1] != 1 or tuple(measurement.shape[2:]) != expected:
            self._refuse("measurement", measurement, f"(B, 1, {expected[0]}, {expected[1]})")
        if prepared.mask.ndim == 4 and len(prepared.mask) != len(measurement):
            self._refuse("measurement", measurement, f"{len(prepared.mask)} samples, as many as there are masks")
        return measurement[:, 0].to(self._dtype), prepared

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def _refuse(self, what: str, found: Tensor, expected: str) -> NoReturn:
        raise EngineMismatchError(
            f"the {what} has shape {tuple(found.shape)}, a network for {self.system} with {self.bands} bands "
            f"{self.step} px apart expects {expected}; choose the mask and the measurements of one calibration"
        )


def refuse_dual_dispersers(network: StillNetwork) -> None:
    """Raises `EngineMismatchError` where nothing is shifted back, for a network that lives on that."""
    if not network.system.single_disperser:
        raise EngineMismatchError(
            f"{type(network).__name__} shifts the measurement back by band, {network.system} has nothing to shift "
            "back; choose a calibration of a single disperser, or another engine"
        )
