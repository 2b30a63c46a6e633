"""How strongly to smooth and how far to trust the data: the figures that were chosen on training scenes.

The TV weight is in units of the scene's mean brightness. It falls geometrically during a cold start, since strong
smoothing first settles the large areas, which one snapshot determines slowly, and weak smoothing then the detail.
"""

import numpy as np

SINGLE_EXPONENT = 0.8  # how far the measured spreads of the spectral curves are trusted
DUAL_EXPONENT = 0.15
FIRST_WEIGHT = 32.0
LAST_WEIGHT = 2.0
FIRST_RIDGE = 0.03  # of the mean diagonal of (A B)(A B)ᵀ, while the noise is unknown
LEAST_RIDGE, LARGEST_RIDGE = 1e-3, 0.4
LEAST_STABLE_RIDGE = 1e-12  # absolute, for masks that let nothing through
FEWEST_FOR_NOISE = 8  # iterations of a cold start below which the noise is not estimated
TYPICAL_NOISE = 0.0155  # of 10,000 electrons at the brightest pixel, relative to the measurement
TYPICAL_RIDGE = 0.1  # what suits that noise on a single disperser


def cold_weights(iterations: int, strength: float) -> list[float]:
    """The TV weight of each iteration of a cold start."""
    part = np.arange(iterations) / iterations
    weights: list[float] = (strength * FIRST_WEIGHT * (LAST_WEIGHT / FIRST_WEIGHT) ** part).tolist()
    return weights


def live_weights(iterations: int, strength: float) -> list[float]:
    """The TV weight of each iteration that goes on from the previous frame."""
    return [strength * LAST_WEIGHT] * iterations


def noise_behind(early: float, late: float) -> float:
    """The relative noise, from the misfits after a quarter and after half of a cold start.

    Smoothing too strongly leaves a misfit in proportion to the TV weight, which has halved in between; noise leaves
    one that stays. The squares add: `early² = noise² + bias²`, `late² = noise² + bias² / 4`.
    """
    fall = (FIRST_WEIGHT / LAST_WEIGHT) ** 0.5
    return float(np.sqrt(max(fall * late**2 - early**2, 0.0) / (fall - 1)))


def ridge_for(noise: float) -> float:
    """The ridge that suits a relative noise `|noise| / |measurement|` on a single disperser."""
    return float(np.clip(TYPICAL_RIDGE * (noise / TYPICAL_NOISE) ** 3, LEAST_RIDGE, LARGEST_RIDGE))
