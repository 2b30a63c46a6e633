"""How close a cube is to the truth: PSNR, LPSNR, SSIM, SAM and ERGAS in three named flavours.

Scores of different flavours must never stand in one table without saying so; print the flavour beside the number.
Source of the definitions: cassi-protocol.md, section 7.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from enum import StrEnum
from functools import cache
from math import nan

import numpy as np
from numpy.typing import NDArray

from livecassi.drivers.opencv import cv2
from livecassi.engines.comparison import check_comparable, frame_pairs
from livecassi.engines.errors import MetricsError

Array64 = NDArray[np.float64]

WINDOW = 11  # px, side of the Gaussian window of SSIM
SIGMA = 1.5  # px
K1, K2 = 0.01, 0.03  # Wang et al. 2004
TILES = (8, 16)  # px, sides of the tiles of LPSNR
BRIGHTEST = 4.0  # of a truth; beyond are counts, not highlights
TILE_FLOOR = 1e-10  # of peak 1 squared: a tile without error counts as 100 dB


class Flavour(StrEnum):
    """Whose definition counts.

    PLAIN: livecassi's own. Prediction clipped to [0, 1], peak 1, SSIM over the valid region with data range 1,
    SAM with the cosine clamped to [-1, 1] over pixels whose truth is not zero.
    DYNASPEC: as the DynaSpec code. PSNR of values times 256 rounded with peak 255 and without clipping, SSIM with
    zero padding, SAM without clamping, where what is not a number counts as 0.
    MST: as the MATLAB tables of the CAVE and KAIST literature. Both clipped and rounded to 8 bits, peak 255, SSIM
    over the valid region; SAM and ERGAS, which those tables lack, as PLAIN.

    LPSNR is of every flavour as its PSNR: the same rounding, clipping and peak.
    """

    PLAIN = "plain"
    DYNASPEC = "dynaspec"
    MST = "mst"


@dataclass(frozen=True, slots=True)
class Scores:
    """`psnr_db` (higher is better, infinite for a perfect band), `ssim` (up to 1), `sam_deg` and `ergas` (lower).

    `lpsnr8_db` and `lpsnr16_db` are LPSNR(8) and LPSNR(16): the mean over bands and tiles of 8 x 8 or 16 x 16 pixels of
    the PSNR of the tile, at most 100 dB each. Tiles start at the first row and column and do not overlap; those that
    the last rows or columns do not fill are left out. Where errors are uneven LPSNR exceeds PSNR, less so for larger
    tiles. The papers that print LPSNR define it nowhere; this reading agrees with the order of their numbers.
    `ergas` divides by the mean of every band of the truth: NaN where one has no mean above 0, as a black band.
    """

    psnr_db: float
    lpsnr8_db: float
    lpsnr16_db: float
    ssim: float
    sam_deg: float
    ergas: float


def score(cube: NDArray[np.floating], truth: NDArray[np.floating], flavour: Flavour = Flavour.PLAIN) -> Scores:
    """Scores of a cube `(C, H, W)` against the truth of the same shape, values of full scale 1.

    Raises `MetricsError` for other shapes, fewer pixels than one tile of LPSNR(16), values that are not finite, and a
    truth that cannot be scored against.
    """
    check_comparable(cube, truth, max(TILES), f"LPSNR({max(TILES)})")
    _check_truth(truth)
    predicted, wanted = cube.astype(np.float64), truth.astype(np.float64)
    if flavour is Flavour.DYNASPEC:
        return Scores(
            *_psnrs(np.round(256 * predicted), np.round(256 * wanted), peak=255.0),
            ssim=_ssim(predicted, wanted, valid_only=False),
            sam_deg=_sam_dynaspec(predicted, wanted),
            ergas=_ergas(predicted, wanted),
        )
    predicted = predicted.clip(0.0, 1.0)
    sam_deg, ergas = _sam(predicted, wanted), _ergas(predicted, wanted)
    if flavour is Flavour.MST:
        predicted, wanted = _eight_bits(predicted), _eight_bits(wanted.clip(0.0, 1.0))
    return Scores(
        *_psnrs(predicted, wanted, peak=1.0),
        ssim=_ssim(predicted, wanted, valid_only=True),
        sam_deg=sam_deg,
        ergas=ergas,
    )


def score_video(
    cubes: Iterable[NDArray[np.floating]],
    truths: Iterable[NDArray[np.floating]],
    flavour: Flavour = Flavour.PLAIN,
) -> Scores:
    """Mean scores over the frames of a sequence: two arrays `(N, C, H, W)` or two iterables of `(C, H, W)`.

    Raises `MetricsError` as `score`, and for sequences that are empty or of different length.
    """
    frames = [score(cube, truth, flavour) for cube, truth in frame_pairs(cubes, truths)]
    return Scores(*np.mean([astuple(one) for one in frames], axis=0).tolist())


def _check_truth(truth: NDArray[np.floating]) -> None:
    if truth.max() == truth.min():
        raise MetricsError(
            f"every value of the truth is {truth.max():g}, expected a scene with contrast of full scale 1; "
            "choose another truth"
        )
    if truth.max() > BRIGHTEST:
        raise MetricsError(
            f"the truth reaches {truth.max():g}, expected values of full scale 1; divide cube and truth by full scale"
        )


def _eight_bits(values: Array64) -> Array64:
    """Rounded to multiples of 1/255; halves go up, as in MATLAB."""
    return np.floor(255 * values + 0.5) / 255


def _psnrs(predicted: Array64, wanted: Array64, peak: float) -> tuple[float, float, float]:
    """PSNR, LPSNR(8) and LPSNR(16)."""
    squared_error = (predicted - wanted) ** 2 / peak**2
    with np.errstate(divide="ignore"):
        psnr = float(-10 * np.log10(squared_error.mean(axis=(1, 2))).mean())
    small, large = (_tile_psnr(squared_error, side) for side in TILES)
    return psnr, small, large


def _tile_psnr(squared_error: Array64, side: int) -> float:
    bands, rows, columns = (squared_error.shape[0], squared_error.shape[1] // side, squared_error.shape[2] // side)
    complete = squared_error[:, : rows * side, : columns * side]
    tiles = complete.reshape(bands, rows, side, columns, side).mean(axis=(2, 4))
    return float(-10 * np.log10(np.maximum(tiles, TILE_FLOOR)).mean())


@cache
def _window() -> Array64:
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    weights.flags.writeable = False
    return weights


def _blur(band: Array64) -> Array64:
    """Gaussian mean around every pixel, zeros beyond the border."""
    blurred = cv2.sepFilter2D(band, -1, _window(), _window(), borderType=cv2.BORDER_CONSTANT)
    return np.asarray(blurred, np.float64)


def _ssim(predicted: Array64, wanted: Array64, *, valid_only: bool) -> float:
    """Structural similarity of full scale 1: mean over pixels and bands, all or those with a complete window."""
    inner = slice(WINDOW // 2, -(WINDOW // 2)) if valid_only else slice(None)
    c1, c2 = K1**2, K2**2
    means: list[float] = []
    for p, w in zip(predicted, wanted, strict=True):
        mean_p, mean_w = _blur(p), _blur(w)
        covariance = _blur(p * w) - mean_p * mean_w
        variances = _blur(p * p + w * w) - mean_p**2 - mean_w**2
        likeness = (2 * mean_p * mean_w + c1) * (2 * covariance + c2)
        likeness /= (mean_p**2 + mean_w**2 + c1) * (variances + c2)
        means.append(float(likeness[inner, inner].mean()))
    return float(np.mean(means))


def _cosines(predicted: Array64, wanted: Array64) -> tuple[Array64, Array64]:
    """Scalar product and product of lengths of the spectra of every pixel."""
    product = np.einsum("chw,chw->hw", predicted, wanted)
    lengths = np.einsum("chw,chw->hw", predicted, predicted) * np.einsum("chw,chw->hw", wanted, wanted)
    return product, np.sqrt(lengths)


def _sam(predicted: Array64, wanted: Array64) -> float:
    """Mean angle in degrees over pixels whose truth is not zero; a prediction of zero there counts as 90 degrees."""
    product, lengths = _cosines(predicted, wanted)
    seen = (wanted != 0).any(axis=0)
    cosine = np.divide(product, lengths, out=np.zeros_like(product), where=lengths > 0)
    return float(np.degrees(np.arccos(cosine[seen].clip(-1.0, 1.0))).mean())


def _sam_dynaspec(predicted: Array64, wanted: Array64) -> float:
    product, lengths = _cosines(predicted, wanted)
    with np.errstate(divide="ignore", invalid="ignore"):
        angles = np.nan_to_num(np.arccos(product / lengths), nan=0.0)
    counted = int(np.count_nonzero(lengths))
    return float(angles.sum() / counted * 180 / 3.14159256) if counted else 0.0


def _ergas(predicted: Array64, wanted: Array64) -> float:
    squared_error, means = ((predicted - wanted) ** 2).mean(axis=(1, 2)), wanted.mean(axis=(1, 2))
    return float(100 * np.sqrt((squared_error / means**2).mean())) if means.min() > 0 else nan
