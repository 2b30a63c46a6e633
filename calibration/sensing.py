"""The sensing models A and Aᵀ of the four systems: NumPy reference.

Every operator is a plain sum over bands, without hidden scale (cassi-protocol 3.4), and passes the dot test
`<A x, r> = <x, Aᵀ r>`. Rows are i, columns j or n, bands c; `g_c` is the response of a band, `s_c` its shift in
columns, `M` the mask, `L_s` linear interpolation at shift s.

Single disperser (SD-CASSI, PMVIS):   y[i, n] = Σ_c g_c · (L_{s_c} (M · x_c))[i, n]        W' = W + ⌈max s⌉
Dual disperser (DD-CASSI, NDSSI):     y[i, j] = Σ_c g_c · M[i, j + s_c] · x_c[i, j]          W' = W

With two half steps (DynaSpec, 3.2) `L_s` becomes ½ (L_s + L_{s+1}); light that leaves the detector is lost.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32, Calibration, SubSteps


class SensingModel(Protocol):
    """A linear model of the bench, from the cube `(C, H, W)` to the measurement `(H, W')`."""

    @property
    def cube_shape(self) -> tuple[int, int, int]:
        """`(C, H, W)`."""
        ...

    @property
    def measurement_shape(self) -> tuple[int, int]:
        """`(H, W')`."""
        ...

    def forward(self, cube: Array32) -> Array32:
        """A x: the noise-free measurement of a cube."""
        ...

    def adjoint(self, measurement: Array32) -> Array32:
        """Aᵀ y: each band's share of every pixel, back in scene coordinates."""
        ...


@dataclass(frozen=True, slots=True)
class Taps:
    """The shift of each band as whole-column taps: `columns (C, K)` int and `weights (C, K)`, Σ_k weights = 1."""

    columns: NDArray[np.int64]
    weights: Array32


def shift_taps(dispersion_px: Array32, sub_steps: SubSteps) -> Taps:
    """Linear interpolation at the fractional shifts (C,), with one or two half steps per band.

    Whole shifts give taps of weight 0 beside the one that counts, so that K is the same for all bands.
    """
    whole = np.floor(dispersion_px.astype(np.float64) + 1e-6)
    part: NDArray[np.float64] = np.clip(dispersion_px - whole, 0.0, 1.0)
    weights: list[NDArray[np.float64]]
    if sub_steps is SubSteps.POINT:
        offsets, weights = [0, 1], [1 - part, part]
    else:
        offsets, weights = [0, 1, 2], [(1 - part) / 2, np.full_like(part, 0.5), part / 2]
    columns = whole.astype(np.int64)[:, None] + np.array(offsets)
    taps = np.stack(weights, axis=1).astype(np.float32)
    needed = taps.max(axis=0) > 1e-6
    return Taps(columns[:, needed], taps[:, needed])


class SingleDisperser:
    """SD-CASSI and PMVIS: the scene is coded, then dispersed."""

    def __init__(self, calibration: Calibration) -> None:
        self.cube_shape = calibration.cube_shape
        self.measurement_shape = calibration.measurement_shape
        self.mask = calibration.mask
        self.response = calibration.response
        self.taps = shift_taps(calibration.dispersion_px, calibration.header.sub_steps)

    def forward(self, cube: Array32) -> Array32:
        """A x, float32 `(H, W')`."""
        width = self.cube_shape[2]
        wide = np.zeros((self.cube_shape[1], int(self.taps.columns.max()) + width), np.float32)
        for c, band in enumerate(cube):
            coded = self.mask * band * self.response[c]
            for column, weight in zip(self.taps.columns[c], self.taps.weights[c], strict=True):
                wide[:, column : column + width] += weight * coded
        return wide[:, : self.measurement_shape[1]]

    def adjoint(self, measurement: Array32) -> Array32:
        """Aᵀ y, float32 `(C, H, W)`."""
        bands, height, width = self.cube_shape
        wide = np.zeros((height, int(self.taps.columns.max()) + width), np.float32)
        wide[:, : self.measurement_shape[1]] = measurement
        cube = np.zeros((bands, height, width), np.float32)
        for c in range(bands):
            for column, weight in zip(self.taps.columns[c], self.taps.weights[c], strict=True):
                cube[c] += weight * wide[:, column : column + width]
            cube[c] *= self.mask * self.response[c]
        return cube


class DualDisperser:
    """DD-CASSI and NDSSI: dispersed, coded and gathered again, so that each band sees its own shifted mask."""

    def __init__(self, calibration: Calibration) -> None:
        self.cube_shape = calibration.cube_shape
        self.measurement_shape = calibration.measurement_shape
        self.response = calibration.response
        self.shifted_mask = shifted_mask(calibration)

    def forward(self, cube: Array32) -> Array32:
        """A x, float32 `(H, W)`."""
        measurement = np.zeros(self.measurement_shape, np.float32)
        for c, band in enumerate(cube):
            measurement += self.response[c] * self.shifted_mask[c] * band
        return measurement

    def adjoint(self, measurement: Array32) -> Array32:
        """Aᵀ y, float32 `(C, H, W)`."""
        cube: Array32 = self.shifted_mask * measurement
        cube *= self.response[:, None, None]
        return cube


def shifted_mask(calibration: Calibration) -> Array32:
    """What each band of a dual-disperser system sees of the mask: `(C, H, W)`, without the response.

    Columns beyond the mask transmit nothing. With two half steps the second half of the last column is read one
    column further out, as the DynaSpec code does (cassi-protocol 3.2, last-column quirk).
    """
    bands, height, width = calibration.cube_shape
    taps = shift_taps(calibration.dispersion_px, SubSteps.POINT)
    wide = np.zeros((height, max(int(taps.columns.max()) + width + 2, calibration.mask.shape[1])), np.float32)
    wide[:, : calibration.mask.shape[1]] = calibration.mask
    steps = [np.arange(width)]
    if calibration.header.sub_steps is SubSteps.TWO_HALVES:
        steps.append(np.append(np.arange(1, width), width + 1))
    seen = np.zeros((bands, height, width), np.float32)
    for c in range(bands):
        for column, weight in zip(taps.columns[c], taps.weights[c], strict=True):
            for step in steps:
                seen[c] += weight / len(steps) * wide[:, column + step]
    return seen


def sensing_model(calibration: Calibration) -> SensingModel:
    """The operator that belongs to a calibration."""
    if calibration.system.single_disperser:
        return SingleDisperser(calibration)
    return DualDisperser(calibration)
