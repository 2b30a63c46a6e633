"""Response: how strongly each band reaches the camera, from the coded picture of a white reference.

The light of the lamp is taken as a density over the shift that is linear from band centre to band centre, so that a
band whose light is stronger on one side is placed where it is. Everything is displaced by exact fractions of a column:
linear interpolation, as the solvers have it, would blur bands at half columns more than others and give their light to
the neighbours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.line_kernel import Kernel, kernel_taps
from livecassi.calibration.fitting.open_light import wide_glow
from livecassi.drivers.opencv import cv2

_PARTS_PER_PX = 10.0
_ROW_BLOCKS = 12  # each is left out once for the errors
_SMOOTH = 1e-4  # of the mean power: what second differences of the density cost
_TINY = 1e-12
_MARGIN_PX = 4  # columns at the ends of a wider mask that do not count


@dataclass(frozen=True)
class ResponseFit:
    """`response (C,)`, of full scale per unit of reflectance, and its standard error `sigma (C,)`.

    `residual`: root mean square of what the model leaves of the picture, relative to the picture. `stray_share`: of
    the light, spread widely instead of going where it belongs; the response counts it. `nodes_px`, `density (C + 2,)`:
    response per column of shift, linear between the nodes. `condition` of the normal equations: large where
    neighbouring bands look alike.
    """

    response: Array32
    sigma: Array32
    residual: float
    stray_share: float
    nodes_px: NDArray[np.float64]
    density: NDArray[np.float64]
    condition: float


@dataclass(frozen=True)
class _Density:
    """A density over the shift, linear between nodes: samples `(Q,)` and what each node gives them `(N, Q)`."""

    nodes_px: NDArray[np.float64]
    shifts_px: NDArray[np.float64]
    hats: NDArray[np.float64]
    to_bands: NDArray[np.float64]  # (N, C)


def fit_response(
    white: Array32,
    mask: Array32,
    dispersion_px: Array32,
    edges_px: NDArray[np.float64],
    system: System,
    *,
    valid: NDArray[np.bool_] | None = None,
) -> ResponseFit:
    """y = Σ_q w_q · (mask at shift s_q) + stray light, solved for w >= 0 by least squares and summed over each band.

    `white (H, W')`: of full scale, after dark and flat; divide it by the reflectance of the white beforehand.
    `mask (H, Wm)`: as light of one wavelength shows it, in the mask's frame. `edges_px (C + 1,)`: shifts at which the
    bands begin and end. `valid (H, W')`: pixels that count (not hot, not saturated). Errors are from leaving out parts
    of the rows, so they hold what is wrong with mask and shifts as far as it varies over the field.
    Raises `CalibrationInvalidError` for shapes that do not belong together or a white without light.
    """
    _require_shapes(white, mask, dispersion_px, edges_px, system)
    density = _density(dispersion_px.astype(np.float64), np.asarray(edges_px, np.float64))
    counted = _counted(white.shape, mask.shape[1], density, system)
    if valid is not None:
        counted &= valid
    nodes = len(density.nodes_px)
    grams, rights = np.zeros((_ROW_BLOCKS, nodes + 1, nodes + 1)), np.zeros((_ROW_BLOCKS, nodes + 1))
    power = 0.0
    glow = wide_glow(white)
    for block, rows in enumerate(np.array_split(np.arange(white.shape[0]), _ROW_BLOCKS)):
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        pictures = np.concatenate([_pictures(mask[part], density, white.shape[1], system), glow[None, part]])
        used = pictures[:, counted[part]].astype(np.float64)
        values = white[part][counted[part]].astype(np.float64)
        grams[block], rights[block] = used @ used.T, used @ values
        power += float(values @ values)
    gram, right = grams.sum(axis=0), rights.sum(axis=0)
    found = _solved(gram, right)
    if power <= 0 or not (found[:nodes] > 0).any():
        raise CalibrationInvalidError(
            "the picture of the white reference holds no light that the bands explain; "
            "check that mask, disperser and lamp are in place, and repeat the capture"
        )
    response = _in_bands(found, density)
    parts = np.stack([_in_bands(_solved(gram - g, right - r), density) for g, r in zip(grams, rights, strict=True)])
    spread = (parts - parts.mean(axis=0)) ** 2
    left = max(power - 2 * found @ right + found @ gram @ found, 0.0)
    scale = 1 / np.sqrt(np.diag(gram)[:nodes])
    return ResponseFit(
        response.astype(np.float32),
        np.sqrt((_ROW_BLOCKS - 1) / _ROW_BLOCKS * spread.sum(axis=0)).astype(np.float32),
        float(np.sqrt(left / power)),
        float(found[nodes]),
        density.nodes_px,
        found[:nodes] / (1 - found[nodes]),
        float(np.linalg.cond(gram[:nodes, :nodes] * np.outer(scale, scale))),
    )


def _in_bands(found: NDArray[np.float64], density: _Density) -> NDArray[np.float64]:
    """The response of each band with the share that stray light has taken from it."""
    bands: NDArray[np.float64] = found[:-1] @ density.to_bands / max(1 - found[-1], 0.5)
    return bands


def _density(centres: NDArray[np.float64], edges: NDArray[np.float64]) -> _Density:
    counts = np.maximum(np.ceil(_PARTS_PER_PX * np.diff(edges)).astype(int), 1)
    band = np.repeat(np.arange(len(centres)), counts)
    width = (np.diff(edges) / counts)[band]
    within = np.concatenate([np.arange(count) + 0.5 for count in counts])
    samples = edges[band] + within * width
    nodes = np.unique(np.concatenate([edges[:1], centres, edges[-1:]]))
    hats = np.stack([np.interp(samples, nodes, row) for row in np.eye(len(nodes))]) * width
    to_bands = np.stack([np.bincount(band, row, len(centres)).astype(np.float64) for row in hats])
    return _Density(nodes, samples, hats, to_bands)


def _counted(shape: tuple[int, ...], mask_width: int, density: _Density, system: System) -> NDArray[np.bool_]:
    """Pixels for which the mask is known at every shift."""
    counted = np.ones(shape, bool)
    if not system.single_disperser:
        columns = np.arange(shape[1])
        first, last = density.shifts_px[0], density.shifts_px[-1]
        counted[:] = (columns + first >= -_MARGIN_PX / 2) & (columns + last <= mask_width - 1 + _MARGIN_PX / 2)
    return counted


def _pictures(mask: Array32, density: _Density, width: int, system: System) -> Array32:
    """What each node of the density with value 1 puts on the camera: `(N, rows, W')`."""
    reach = int(np.ceil(np.abs(density.shifts_px).max())) + 8
    border = cv2.BORDER_CONSTANT if system.single_disperser else cv2.BORDER_REPLICATE
    padded = cv2.copyMakeBorder(np.ascontiguousarray(mask), 0, 0, reach, reach + width, border, value=0)
    pictures = np.zeros((len(density.hats), len(mask), width), np.float32)
    for picture, hat in zip(pictures, density.hats, strict=True):
        used = hat > 0
        total = hat[used].sum()
        first, taps = kernel_taps(Kernel(system.mask_direction * density.shifts_px[used], hat[used] / total))
        for offset, tap in enumerate(taps * total, start=first):
            picture += np.float32(tap) * padded[:, reach - offset : reach - offset + width]
    return pictures


def _solved(gram: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Non-negative least squares from the normal equations; the last unknown is the stray light."""
    nodes = len(gram) - 1
    bends = np.diff(np.eye(nodes), 2, axis=0)
    power = np.trace(gram[:nodes, :nodes]) / nodes
    safe = gram + _TINY * power * np.eye(nodes + 1)
    safe[:nodes, :nodes] += _SMOOTH * power * bends.T @ bends
    upper = cholesky(safe)
    solution, _ = nnls(upper, solve_triangular(upper, right, trans="T"))
    result: NDArray[np.float64] = solution
    return result


def _require_shapes(
    white: Array32, mask: Array32, dispersion_px: Array32, edges_px: NDArray[np.float64], system: System
) -> None:
    bands = len(dispersion_px)
    reach = int(np.ceil(float(dispersion_px.max()) - 1e-3))
    needed = mask.shape[1] + reach if system.single_disperser else mask.shape[1] - reach
    wide_enough = white.shape[1] == needed if system.single_disperser else white.shape[1] <= needed
    if white.shape[0] != mask.shape[0] or not wide_enough:
        raise CalibrationInvalidError(
            f"a white of shape {white.shape} was given for {system} with a mask of shape {mask.shape} and shifts up to "
            f"{reach} px, expected shape ({mask.shape[0]}, {needed})"
        )
    if len(edges_px) != bands + 1 or np.any(np.diff(edges_px) <= 0):
        raise CalibrationInvalidError(
            f"{len(edges_px)} edges were given for {bands} bands, expected {bands + 1} that ascend"
        )
