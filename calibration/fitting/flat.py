"""Flat: how unevenly the camera sees even light, as smooth vignetting times the response of each pixel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32
from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Check
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.dark import DarkFit, require_alike
from livecassi.calibration.fitting.open_light import open_light
from livecassi.calibration.fitting.robust import robust_sigma
from livecassi.drivers.opencv import cv2

__all__ = ["FlatFit", "fit_flat", "open_light"]

USABLE_SHARE = 0.95  # of full scale, above which a pixel may be clipped
LIT_SHARE = 0.3  # of the expected light, above which a pixel shapes the vignetting
PIXEL_SHARE = 0.2  # of the expected light, above which a pixel's own response is measured
ORDER_EXPECTED, ORDER_ALONE, ORDER_NARROW = 4, 2, 0  # of the polynomial: with the expected light, without, few columns
LEAST_LIT = 0.05  # of the pixels
UNEVEN_WARN_PERCENT, UNEVEN_FAIL_PERCENT = 1.0, 3.0
WORST_WARN_PERCENT, WORST_FAIL_PERCENT = 3.0, 10.0  # where it is most uneven; 0.1 on the simulated bench
WORST_PERCENTILE = 99.5
SLOPE_LIMIT = 0.35  # of the light per width of the frame, above which not all bands arrive
LEVEL_WARN_PERCENT, LEVEL_FAIL_PERCENT = 15.0, 4.0
_SURFACE_PIXELS = 40_000  # that suffice for a polynomial
_HIGH_PASS_PX = 6.0  # standard deviation of the neighbourhood with which a pixel is compared


@dataclass(frozen=True)
class FlatFit:
    """`flat (H, W')` = `vignetting` x `pixel_response`, mean 1 where `lit` (bool).

    `vignetting (H, W')` is smooth; `pixel_response` is 1 where it could not be measured, and drawn towards 1 as far as
    its noise asks for. `sigma`: standard error of the flat in one lit pixel, relative. `vignetting_percent`: from the
    brightest to the darkest lit place; `pixel_response_percent`: standard deviation, without noise.
    """

    flat: Array32
    vignetting: Array32
    pixel_response: Array32
    lit: NDArray[np.bool_]
    sigma: float
    vignetting_percent: float
    pixel_response_percent: float
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class _Light:
    """The light of all flats together `(H, W')`, relative, with its standard error; `known` where it was measured."""

    values: Array32
    error: Array32
    known: NDArray[np.bool_]
    percent: float  # of full scale that the brightest flat reaches


def fit_flat(flats: Sequence[Capture], dark: DarkFit, expected: Array32 | None = None) -> FlatFit:
    """The flat from captures of an even white with the mask out.

    `expected (H, W')`: what the light would be without vignetting (`open_light`). None: even over the columns in whose
    middle it hardly changes; beyond them the vignetting is only continued, good to some percent, which serves for the
    first look at a single disperser.
    Raises `CalibrationInvalidError` where there is no flat, or none that is lit and not clipped.
    """
    require_alike(flats, "flat")
    light = _combined(flats, dark)
    even = np.ones(light.values.shape, np.float32) if expected is None else expected / np.float32(expected.max())
    usual = light.known & (dark.hot_pixels == 0)
    smooth = np.asarray(cv2.medianBlur(np.where(light.known, light.values, 0).astype(np.float32), 5), np.float32)
    bright = float(np.percentile(smooth, 95))
    lit = usual & (even >= LIT_SHARE) & (smooth > LIT_SHARE / 2 * bright)
    share = float(lit.mean())
    if expected is None:
        lit[:, ~_plateau(smooth)] = False
    if share < LEAST_LIT or not lit.any():
        raise CalibrationInvalidError(
            f"{100 * share:.1f} % of the flats' pixels are lit and not clipped, expected at least {100 * LEAST_LIT:g} %"
            "; take the flat with the mask out, an even light and no pixel at full scale"
        )
    shape = np.where(lit, light.values / np.maximum(even, 1e-3), 0).astype(np.float32)
    alone = ORDER_ALONE if lit.mean() >= LEAST_LIT else ORDER_NARROW
    order = alone if expected is None else ORDER_EXPECTED
    vignetting = _smooth_surface(shape, lit, order)
    if expected is None:
        even = _column_light(light.values / vignetting, light.known)
    smooth_part = vignetting * np.maximum(even, 1e-3)
    enough = usual & (even >= PIXEL_SHARE) & (smooth > PIXEL_SHARE * bright)
    ratio, wide = _high_pass(np.where(enough, light.values / smooth_part, 1).astype(np.float32), enough)
    error = light.error / smooth_part
    response, spread = _pixel_response(ratio, error, enough)
    return FlatFit(
        vignetting * response / np.float32((vignetting * response)[lit].mean()),
        vignetting / np.float32(vignetting[lit].mean()),
        response,
        lit,
        float(np.median(error[lit])),
        100 * (1 - float(np.percentile(vignetting[lit], 0.1) / np.percentile(vignetting[lit], 99.9))),
        100 * spread,
        _checks(light, 100 * float(wide[lit].std()), _worst(wide, lit)),
    )


def _plateau(smooth: Array32) -> NDArray[np.bool_]:
    """The columns `(W',)` around the brightest over which the light changes no faster than vignetting may."""
    profile = cv2.GaussianBlur(np.median(smooth, axis=0)[None, :], (0, 0), 2.0)[0].astype(np.float64)
    top = int(np.argmax(profile))
    steep = np.abs(np.gradient(profile)) > SLOPE_LIMIT * profile[top] / len(profile)
    steep[: min(3, top)] = steep[max(len(profile) - 3, top + 1) :] = False
    left, right = np.flatnonzero(steep[:top]), np.flatnonzero(steep[top:])
    inside = np.zeros(len(profile), bool)
    inside[left[-1] + 1 if len(left) else 0 : top + right[0] if len(right) else len(profile)] = True
    return inside


def _column_light(light: Array32, known: NDArray[np.bool_]) -> Array32:
    """What all rows have in common, `(H, W')`: the ramps of a single disperser, 1 where the light is brightest."""
    profile = np.array(
        [np.median(column[good]) if good.any() else 0 for column, good in zip(light.T, known.T, strict=True)]
    )
    profile = np.maximum(profile / np.percentile(profile, 95), 0)
    return np.tile(profile.astype(np.float32), (len(light), 1))


def _combined(flats: Sequence[Capture], dark: DarkFit) -> _Light:
    """All flats on the scale of the brightest that is not clipped; every pixel from those that did not clip it."""
    full = flats[0].full_scale
    signals = [capture.mean - dark.at(capture.exposure_us) for capture in flats]
    free = [capture.mean < USABLE_SHARE * full for capture in flats]
    shares = [float(part.mean()) for part in free]
    usable = [i for i, share in enumerate(shares) if share > 0.5]
    if not usable:
        raise CalibrationInvalidError(
            f"every flat is above {100 * USABLE_SHARE:.0f} % of full scale in {100 * (1 - max(shares)):.0f} % of its "
            "pixels or more, expected at most 50 %; shorten the exposure"
        )
    brightest = max(usable, key=lambda i: float(np.median(signals[i])))
    reference = signals[brightest]
    total, weights, variance = (np.zeros(reference.shape) for _ in range(3))
    for i in usable:
        common = free[i] & free[brightest] & (reference > 0.3 * np.percentile(reference, 95))
        factor = float(signals[i][common].sum() / reference[common].sum()) if common.any() else 0.0
        if factor <= 0:
            continue
        weight = np.where(free[i], factor * flats[i].frames, 0.0)
        total += weight * signals[i] / factor
        weights += weight
        noise = flats[i].noise
        if noise is not None:
            variance += (weight / factor) ** 2 * np.median(noise[free[i]] ** 2) / flats[i].frames
    known = weights > 0
    weights = np.where(known, weights, 1.0)
    level = 100 * float(np.percentile(reference, 95)) / full
    return _Light((total / weights).astype(np.float32), (np.sqrt(variance) / weights).astype(np.float32), known, level)


def _smooth_surface(values: Array32, lit: NDArray[np.bool_], order: int) -> Array32:
    """A polynomial in both directions, fitted where `lit`, without what lies 4 standard deviations off."""
    height, width = values.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]
    every = max(1, int(lit.sum()) // _SURFACE_PIXELS)
    places = x[lit][::every], y[lit][::every]
    wanted = values[lit][::every].astype(np.float64)
    design = np.stack([places[0] ** i * places[1] ** j for i, j in terms], axis=1)
    chosen = np.ones(len(wanted), bool)
    factors = np.zeros(len(terms))
    for _ in range(3):
        factors = np.asarray(np.linalg.lstsq(design[chosen], wanted[chosen])[0], np.float64)
        off = wanted - design @ factors
        chosen = np.abs(off) <= 4 * robust_sigma(off[chosen])
    surface = np.polynomial.polynomial.polyval2d(x, y, _square(factors, terms)).astype(np.float32)
    return np.maximum(surface, np.float32(0.05 * surface[lit].mean()))


def _square(factors: NDArray[np.float64], terms: list[tuple[int, int]]) -> NDArray[np.float64]:
    """Factors of x^i y^j at [i, j]."""
    size = 1 + max(max(term) for term in terms)
    table = np.zeros((size, size))
    for factor, term in zip(factors, terms, strict=True):
        table[term] = factor
    return table


def _high_pass(ratio: Array32, enough: NDArray[np.bool_]) -> tuple[Array32, Array32]:
    """Each pixel against its neighbourhood (only pixels that count), and that neighbourhood."""
    weight = enough.astype(np.float32)
    around = cv2.GaussianBlur(ratio * weight, (0, 0), _HIGH_PASS_PX)
    share = cv2.GaussianBlur(weight, (0, 0), _HIGH_PASS_PX)
    wide = np.where(share > 0.02, around / np.maximum(share, 1e-6), 1).astype(np.float32)
    return np.asarray(ratio / np.maximum(wide, 1e-3), np.float32), wide


def _pixel_response(ratio: Array32, error: Array32, enough: NDArray[np.bool_]) -> tuple[Array32, float]:
    """Deviations from 1, each shrunk by its share of noise; and their standard deviation without noise."""
    deviation = np.where(enough, ratio - 1, 0)
    usual = enough & (np.abs(deviation) < 0.5)
    typical = robust_sigma(deviation[usual]) if usual.any() else 0.0
    noise = np.where(enough, error, 1)
    variance = max(typical**2 - float(np.median(noise[usual] ** 2)) if usual.any() else 0.0, 0.0)
    kept = np.maximum(deviation**2 - noise**2, 0) > 25 * variance  # defects are no noise: keep them whole
    share = np.where(kept, 1.0, variance / np.maximum(variance + noise**2, 1e-12))
    response = 1 + np.where(enough, share * deviation, 0)
    return np.clip(response, 0.2, 5).astype(np.float32), float(np.sqrt(variance))


def _worst(wide: Array32, lit: NDArray[np.bool_]) -> tuple[float, int, int]:
    """The largest unevenness in percent, and the row and column around which it lies."""
    off = np.where(lit, np.abs(wide - 1), 0)
    row, column = np.unravel_index(int(np.argmax(off)), off.shape)
    return 100 * float(np.percentile(off[lit], WORST_PERCENTILE)), int(row), int(column)


def _checks(light: _Light, uneven_percent: float, worst: tuple[float, int, int]) -> tuple[Check, ...]:
    return (
        Check(
            name="light of the brightest flat, of full scale",
            value=light.percent,
            unit="%",
            limit=LEVEL_WARN_PERCENT,
            fail_limit=LEVEL_FAIL_PERCENT,
            higher_is_better=True,
            advice="lengthen the exposure or bring more light",
        ),
        Check(
            name="unevenness of the flat beside a smooth vignetting",
            value=uneven_percent,
            unit="%",
            limit=UNEVEN_WARN_PERCENT,
            fail_limit=UNEVEN_FAIL_PERCENT,
            advice="look for dust, folds of the white target or shadows, and defocus the target",
        ),
        Check(
            name="unevenness of the flat where it is worst",
            value=worst[0],
            unit="%",
            limit=WORST_WARN_PERCENT,
            fail_limit=WORST_FAIL_PERCENT,
            advice=f"look for a shadow, a fold or dust around row {worst[1]}, column {worst[2]}",
        ),
    )
