"""Dark: what the camera shows without light, which pixels are not to be trusted, and the noise of reading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32
from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Check
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.robust import robust_sigma

HOT_DEVIATIONS = 6.0  # robust standard deviations beyond which a pixel's level or noise is out of the ordinary
FEWEST_FRAMES_FOR_NOISE = 8  # with fewer the noise of one pixel is known too badly to judge it
HOT_WARN_PERCENT, HOT_FAIL_PERCENT = 0.1, 1.0
LEAST_HOT_DN, LEAST_NOISY_DN = 1.0, 0.6  # what rounding to whole numbers can do to a level and to its noise
CLIPPED_WARN_PERCENT, CLIPPED_FAIL_PERCENT = 1.0, 10.0
DRIFT_WARN, DRIFT_FAIL = 0.1, 0.5  # of the level between the halves of a capture, in units of the noise of one frame
SAME_EXPOSURE = 0.001  # relative: a dark of so near an exposure is taken as it was measured
_ROUNDING_VARIANCE = 1 / 12  # of whole digital numbers


@dataclass(frozen=True)
class DarkFit:
    """The dark of a camera at one gain.

    `dark (H, W')` in DN at `exposure_us`; `hot_pixels (H, W')` 1 where a pixel is hot, dead or noisy, else 0;
    `level_dn` its mean over the other pixels; `read_noise_dn` the standard deviation of one pixel from frame to frame
    at the shortest exposure, without rounding, None where every capture has one frame only. With captures of two
    exposures or more `rate_dn_s` is their dark signal per second, and the dark follows any exposure.
    """

    dark: Array32
    exposure_us: float
    hot_pixels: Array32
    level_dn: float
    read_noise_dn: float | None
    read_noise_sigma_dn: float | None
    rate_dn_s: float | None
    rate_sigma_dn_s: float | None
    checks: tuple[Check, ...]
    _measured: dict[float, Array32]
    _rate: Array32 | None  # (H, W') DN per microsecond

    def at(self, exposure_us: float) -> Array32:
        """The dark in DN `(H, W')` at an exposure.

        As measured where it was; else on each pixel's straight line through the exposures that were; with only one of
        them, that one.
        """
        return _at(exposure_us, self._measured, self._rate)


def fit_dark(darks: Sequence[Capture], exposure_us: float | None = None) -> DarkFit:
    """The dark from one capture or more with the cap on; `exposure_us` in use, None: that of the first capture.

    Raises `CalibrationInvalidError` where there is none, or where they differ in size, bits or gain.
    """
    require_alike(darks, "dark")
    groups: dict[float, list[Capture]] = {}
    for capture in darks:
        groups.setdefault(capture.exposure_us, []).append(capture)
    measured = {exposure: _mean(group) for exposure, group in sorted(groups.items())}
    exposures = np.array(list(measured))
    rate = _rates(exposures, np.stack(list(measured.values()))) if len(measured) > 1 else None
    longest = measured[float(exposures.max())]
    hot = _outliers(longest, LEAST_HOT_DN) | _noisy(groups[float(exposures.max())])
    noise, noise_sigma = _read_noise(groups[float(exposures.min())], hot)
    usual = ~hot
    rate_dn_s = None if rate is None else 1e6 * float(rate[usual].mean())
    spread = None if rate is None else 1e6 * _robust_spread(rate[usual]) / np.sqrt(usual.sum())
    used_us = exposure_us if exposure_us is not None else darks[0].exposure_us
    dark = _at(used_us, measured, rate)
    return DarkFit(
        dark=dark,
        exposure_us=used_us,
        hot_pixels=hot.astype(np.float32),
        level_dn=float(dark[usual].mean()),
        read_noise_dn=noise,
        read_noise_sigma_dn=noise_sigma,
        rate_dn_s=rate_dn_s,
        rate_sigma_dn_s=spread,
        checks=_checks(darks, dark, hot, noise),
        _measured=measured,
        _rate=rate,
    )


def require_alike(captures: Sequence[Capture], what: str) -> None:
    """Raises `CalibrationInvalidError` where there is no capture, or where they differ in size, bits or gain."""
    if not captures:
        raise CalibrationInvalidError(f"there is no {what} capture; take at least one")
    first = captures[0]
    expected = (*first.shape, first.bit_depth, first.gain_db)
    for capture in captures[1:]:
        found = (*capture.shape, capture.bit_depth, capture.gain_db)
        if found != expected:
            raise CalibrationInvalidError(
                f"a {what} capture has rows, columns, bits and gain (dB) {found}, another {expected}; "
                "take all of them with the same settings of the camera"
            )


def _at(exposure_us: float, measured: Mapping[float, Array32], rate: Array32 | None) -> Array32:
    nearest = min(measured, key=lambda known: abs(known - exposure_us))
    if rate is None or abs(nearest - exposure_us) <= SAME_EXPOSURE * exposure_us:
        return measured[nearest]
    return measured[nearest] + np.float32(exposure_us - nearest) * rate


def _mean(captures: Sequence[Capture]) -> Array32:
    frames = np.array([capture.frames for capture in captures], np.float64)
    weighted = sum(n * capture.mean.astype(np.float64) for n, capture in zip(frames, captures, strict=True))
    return np.asarray(weighted / frames.sum(), np.float32)


def _rates(exposures_us: NDArray[np.float64], means: Array32) -> Array32:
    """The slope of each pixel over the exposure, DN/µs, by least squares."""
    centred = exposures_us - exposures_us.mean()
    return np.asarray(np.tensordot(centred, means, axes=1) / (centred**2).sum(), np.float32)


def _robust_spread(values: Array32) -> float:
    return robust_sigma(values - np.median(values))


def _outliers(values: Array32, least_dn: float) -> NDArray[np.bool_]:
    spread = max(_robust_spread(values), 1e-3 * float(values.std()))
    far: NDArray[np.bool_] = np.abs(values - np.median(values)) > max(HOT_DEVIATIONS * spread, least_dn)
    return far


def _noisy(captures: Sequence[Capture]) -> NDArray[np.bool_]:
    """Pixels whose noise is far off, from the captures that have frames enough."""
    found = np.zeros(captures[0].shape, bool)
    for capture in captures:
        if capture.noise is not None and capture.frames >= FEWEST_FRAMES_FOR_NOISE:
            found |= _outliers(capture.noise, LEAST_NOISY_DN)
    return found


def _read_noise(captures: Sequence[Capture], hot: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """Standard deviation in DN over the usual pixels, and its error."""
    variances, freedoms = 0.0, 0
    for capture in captures:
        if capture.noise is not None:
            usual = capture.noise[~hot].astype(np.float64)
            variances += float((usual**2).sum()) * (capture.frames - 1)
            freedoms += usual.size * (capture.frames - 1)
    if not freedoms:
        return None, None
    variance = variances / freedoms
    noise = float(np.sqrt(max(variance - _ROUNDING_VARIANCE, 0.0)))
    return noise, float(variance * np.sqrt(2 / freedoms) / (2 * max(noise, 1e-6)))


def _checks(darks: Sequence[Capture], dark: Array32, hot: NDArray[np.bool_], noise: float | None) -> tuple[Check, ...]:
    checks = [
        Check(
            name="hot and dead pixels",
            value=100 * float(hot.mean()),
            unit="%",
            limit=HOT_WARN_PERCENT,
            fail_limit=HOT_FAIL_PERCENT,
            advice="check that the cap is tight, or cool the camera",
        ),
        Check(
            name="pixels whose dark is cut off at 0 DN",
            value=100 * float((dark < 0.5).mean()),
            unit="%",
            limit=CLIPPED_WARN_PERCENT,
            fail_limit=CLIPPED_FAIL_PERCENT,
            advice="raise the black level (offset) of the camera",
        ),
    ]
    moved = [abs(float((c.halves[1] - c.halves[0])[~hot].mean())) for c in darks if c.halves is not None]
    if moved and noise:
        checks.append(
            Check(
                name="drift of the dark level within a capture, of the noise of a frame",
                value=max(moved) / noise,
                unit="",
                limit=DRIFT_WARN,
                fail_limit=DRIFT_FAIL,
                advice="let the camera warm up and repeat the dark",
            )
        )
    return tuple(checks)
