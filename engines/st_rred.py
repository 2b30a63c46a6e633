"""How far a video of cubes departs from the true one in space and time: ST-RRED, in livecassi's own definition.

Spatio-temporal reduced-reference entropic differences (Soundararajan and Bovik, IEEE TCSVT 2013): frames and
differences of adjacent frames are filtered to one oriented sub-band, its blocks of 3 x 3 are modelled as a Gaussian
scale mixture, and the weighted entropies of the blocks are compared. Source: cassi-protocol.md, section 7.6.

The definition leaves factors, logarithm, sub-band, borders and pairs of frames open, and the papers that print values
do not name theirs. So values compare only with values of this implementation, between videos of one size; never with
published ones. They belong to no flavour of `livecassi.engines.metrics`: cubes are taken as they are, neither clipped
nor rounded. Chosen here:

- bands are scaled by 255 and scored one by one; every frame and every pair of frames that follow one another counts,
  a pair with frames missing between them does not;
- the sub-band is the fourth of the public code: the coarsest of four octaves, varying down the rows (`steerable`);
  frames of fewer than 89 pixels a side use a finer octave;
- entropies and weights in bits, and sigma_w^2 = 0.1 as in the public code;
- K_U is the second moment of all overlapping blocks, for the model has the mean 0;
- eigenvalues of K_U a million times below sigma_w^2 hold no signal, so that differences of rounding are no motion.
  Above them the local scale is relative to K_U, as defined: even faint motion in place of none scores at once.

A sub-band holds no mean: one amount of light added to every pixel of a band, in whatever frames, scores 0. Flicker of
the illumination, which multiplies, is seen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from livecassi.engines.comparison import check_comparable, frame_pairs
from livecassi.engines.errors import MetricsError
from livecassi.engines.steerable import SMALLEST, oriented_subband

Array64 = NDArray[np.float64]

FULL_SCALE = 255.0
BLOCK = 3  # samples of the sub-band, side of a block
N = BLOCK**2
NEURAL_NOISE = 0.1  # variance sigma_w^2
SILENCE = 1e-6 * NEURAL_NOISE
ROUNDING = 1e-12  # of the largest eigenvalue


@dataclass(frozen=True, slots=True)
class StRred:
    """Lower is better, 0 for identical videos; means over bands.

    `spatial` is SRRED, from the frames; `temporal` is TRRED, from their differences, 0 where neither video moves;
    `product` is ST-RRED: SRRED times TRRED of each band, then the mean.
    """

    spatial: float
    temporal: float
    product: float


def st_rred(
    cubes: Iterable[NDArray[np.floating]],
    truths: Iterable[NDArray[np.floating]],
    frame_indices: Sequence[int] | None = None,
) -> StRred:
    """ST-RRED of a sequence: two arrays `(N, C, H, W)` or two iterables of `(C, H, W)`, values of full scale 1.

    `frame_indices` are the camera's numbers of the frames: where they do not count up by one, frames are missing and
    nothing is compared over the gap. Without them, neighbours in the sequence are neighbours in time.

    Of earlier frames only sub-bands are kept. Raises `MetricsError` where no two frames follow one another, for
    sequences of different length, for frames of different shape or below 12 x 12 pixels, and for values that are not
    finite.
    """
    spatial: list[Array64] = []
    temporal: list[Array64] = []
    before: tuple[Array64, Array64] | None = None
    shape: tuple[int, ...] = ()
    adjacent = None if frame_indices is None else (False, *follows(frame_indices))[: len(frame_indices)]
    for cube, truth in frame_pairs(cubes, truths):
        check_comparable(cube, truth, SMALLEST, "ST-RRED")
        if before is not None and truth.shape != shape:
            raise MetricsError(
                f"frame {len(spatial)} has the shape {truth.shape}, those before {shape}; expected frames of one shape"
            )
        shape = truth.shape
        test, reference = (oriented_subband(FULL_SCALE * frame.astype(np.float64)) for frame in (cube, truth))
        (weight_t, entropy_t), (weight_r, entropy_r) = weights_and_entropies(test), weights_and_entropies(reference)
        spatial.append(np.abs(weight_r * entropy_r - weight_t * entropy_t).mean(axis=1))
        if before is not None and (adjacent is None or adjacent[len(spatial) - 1 : len(spatial)] == (True,)):
            moved_t = weight_t * np.multiply(*weights_and_entropies(test - before[0]))
            moved_r = weight_r * np.multiply(*weights_and_entropies(reference - before[1]))
            temporal.append(np.abs(moved_r - moved_t).mean(axis=1))
        before = test, reference
    if adjacent is not None and len(adjacent) != len(spatial):
        raise MetricsError(f"found {len(adjacent)} indices for {len(spatial)} frames, expected one each; give them all")
    if not temporal:
        raise MetricsError(
            f"found {len(spatial)} frame(s), none next to another; ST-RRED compares adjacent frames and needs at least "
            "two frames that follow one another"
        )
    srred, trred = np.mean(spatial, axis=0), np.mean(temporal, axis=0)
    return StRred(float(srred.mean()), float(trred.mean()), float((srred * trred).mean()))


def follows(frame_indices: Sequence[int]) -> tuple[bool, ...]:
    """For every frame but the first, whether it is the camera's next after the one before it in the sequence."""
    return tuple(after == before + 1 for before, after in pairwise(map(int, frame_indices)))


def weights_and_entropies(subband: Array64) -> tuple[Array64, Array64]:
    """log(1 + s^2) and the entropy h in bits of every complete block, `(C, blocks)` each, of `(C, h, w)`.

    h = 1/2 log[(2 pi e)^N |s^2 K_U + sigma_w^2 I|] with s^2 = block' K_U^-1 block / N: one decomposition of K_U per
    band turns the determinants into sums over its eigenvalues.
    """
    windows = sliding_window_view(subband, (BLOCK, BLOCK), axis=(1, 2))
    every = windows.reshape(len(subband), -1, N)
    eigenvalues, vectors = np.linalg.eigh(every.mT @ every / every.shape[1])
    signal = eigenvalues > np.maximum(SILENCE, ROUNDING * eigenvalues[:, -1:])
    blocks = windows[:, ::BLOCK, ::BLOCK].reshape(len(subband), -1, N)
    inverse = np.divide(1, eigenvalues, out=np.zeros_like(eigenvalues), where=signal)
    scale = np.einsum("cbn,cn->cb", (blocks @ vectors) ** 2, inverse) / N
    variances = scale[:, :, None] * np.where(signal, eigenvalues, 0)[:, None] + NEURAL_NOISE
    return np.log2(1 + scale), 0.5 * np.log2(2 * np.pi * np.e * variances).sum(axis=2)
