"""Where a picture of the mask under one line lies against a reference picture of the mask."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.field import FieldFit, fit_field
from livecassi.calibration.fitting.line_kernel import Kernel, convolve_columns
from livecassi.calibration.fitting.overlap import best_overlap
from livecassi.calibration.fitting.pattern import Pattern, pattern
from livecassi.calibration.fitting.robust import robust_sigma
from livecassi.calibration.fitting.tiles import tile_centres, tile_offset, tile_size

LARGEST_SHIFT_PX = 80  # of a line against the mask without disperser
LARGEST_ACROSS_PX = 8
LEAST_OVERLAP_CORRELATION = 0.25  # of whole pixels, before the sub-pixel fit
_TILE_PX = 64
_FEWEST_TILES = 2


@dataclass(frozen=True)
class LineShift:
    """Displacement of a picture against the reference: along (`dx`) and across (`dy`) the dispersion, in px.

    In the middle of the picture; over the field, with u, v = -1..1 over the columns and rows of the whole picture,
    `dx + smile_px v² + tilt_px v + keystone_px u` and `dy + across_tilt_px u + across_keystone_px v`.
    `sigma_px` and `across_sigma_px`: standard errors of dx and dy; `bend_sigmas_px`: of smile, tilt and keystone;
    `correlation`: median of the tiles;
    `tiles_px (2, P, Q)`: what the tiles deviate from the above along and across, NaN where none matched.
    """

    dx: float
    dy: float
    sigma_px: float
    across_sigma_px: float
    smile_px: float
    tilt_px: float
    keystone_px: float
    across_tilt_px: float
    across_keystone_px: float
    correlation: float
    tiles_px: Array32
    bend_sigmas_px: tuple[float, float, float]

    @property
    def rms_px(self) -> float:
        """What the tiles deviate, robust, per axis."""
        return robust_sigma(self.tiles_px[np.isfinite(self.tiles_px)])


def measure_shift(
    picture: Array32,
    reference: Array32,
    *,
    expected: tuple[float, float] | None = None,
    search_px: int = 40,
    kernel: Kernel | None = None,
) -> LineShift:
    """The shift of a line's picture `(H, W')` against `reference (H, Wr)`, both with column 0 at the same place.

    Only where the shifted reference and the picture overlap do they count. Without `expected` (dx, dy) the shift is
    looked for within ±80 columns and ±8 rows, with it `search_px` columns and a quarter as many rows around; a mask
    that repeats itself (PMVIS, NDSSI: every 15 columns one row further on) needs it, with a `search_px` of 4 to 7.
    `kernel`, where the line's smear is known, is applied to the reference about its centre of mass, so that `dx` is
    where that lands. Raises `CalibrationInvalidError` where the two do not match, or match equally well at several
    places.
    """
    if kernel is not None:
        reference = convolve_columns(reference, kernel.centred())
    target, wanted = pattern(picture), pattern(reference)
    if expected is None:
        window = (-LARGEST_SHIFT_PX, LARGEST_SHIFT_PX), (-LARGEST_ACROSS_PX, LARGEST_ACROSS_PX)
    else:
        dx, dy, down = round(expected[0]), round(expected[1]), min(search_px // 4, LARGEST_ACROSS_PX)
        window = (dx - search_px, dx + search_px), (dy - down, dy + down)
    found = best_overlap(target, wanted, *window)
    if found.correlation < LEAST_OVERLAP_CORRELATION:
        raise CalibrationInvalidError(
            f"the picture of the line correlates with the mask by {found.correlation:.2f}, expected at least "
            f"{LEAST_OVERLAP_CORRELATION:g} somewhere from {window[0][0]} to {window[0][1]} columns and "
            f"{window[1][0]} to {window[1][1]} rows: check that the mask is in, that only this line shines and is "
            "bright enough, that nothing moved, and capture it again"
        )
    if found.rival is not None:
        raise CalibrationInvalidError(
            f"the mask repeats itself: the picture of the line fits at a shift of {found.dx}, {found.dy} px as well as "
            f"at {found.rival[0]}, {found.rival[1]} px (columns, rows); tell about where this line is expected"
        )
    return _by_tiles(target, wanted, (found.dx, found.dy))


def _by_tiles(picture: Pattern, reference: Pattern, whole: tuple[int, int]) -> LineShift:
    """Sub-pixel shifts of the picture's tiles, and the robust fit of the field through them."""
    tile_px = tile_size(picture.values.shape, _TILE_PX)
    centres = tile_centres(picture.values.shape, tile_px)
    measured = np.full((2, *centres.shape[:2]), np.nan)
    correlations: NDArray[np.float64] = np.full(centres.shape[:2], np.nan)
    for p, q in np.ndindex(*centres.shape[:2]):
        offset = tile_offset(reference, picture, centres[p, q], tile_px, (-whole[0], -whole[1]))
        if offset is not None:
            measured[:, p, q] = -offset[0], -offset[1]
            correlations[p, q] = offset[2]
    matched = np.isfinite(correlations)
    if matched.sum() < _FEWEST_TILES:
        raise CalibrationInvalidError(
            f"{int(matched.sum())} of {matched.size} parts of the line's picture match the mask at a shift of "
            f"{whole[0]} px, expected at least {_FEWEST_TILES}: the picture is too dark, too noisy or hardly overlaps "
            "the mask; capture it with more light"
        )
    height, width = picture.values.shape
    u = (2 * centres[..., 0] + 1) / width - 1
    v = (2 * centres[..., 1] + 1) / height - 1
    along: FieldFit = fit_field(measured[0], [v**2, v, u])
    across: FieldFit = fit_field(measured[1], [u, v])
    return LineShift(
        along.constant,
        across.constant,
        along.sigma,
        across.sigma,
        along.terms[0],
        along.terms[1],
        along.terms[2],
        across.terms[0],
        across.terms[1],
        float(np.nanmedian(correlations)),
        np.stack([along.residuals, across.residuals]).astype(np.float32),
        (along.term_sigmas[0], along.term_sigmas[1], along.term_sigmas[2]),
    )
