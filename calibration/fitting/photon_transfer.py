"""Photon transfer: electrons per digital number, noise, capacity and linearity, from flats of several exposures.

Shot noise grows as the root of the light: the variance of a pixel from frame to frame, less that of the dark, is the
signal times the gain K in DN per electron (EMVA 1288, release 4.0 linear, section 6).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.capture import Capture
from livecassi.calibration.checks import Check
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.dark import DarkFit, fit_dark, require_alike

FEWEST_FRAMES = 4
NONLINEARITY_WARN_PERCENT, NONLINEARITY_FAIL_PERCENT = 1.0, 3.0
BEND_WARN_PERCENT, BEND_FAIL_PERCENT = 3.0, 10.0
_FEWEST_BINS = 3
_BINS = 24  # of signal, per capture
_ROUNDING_VARIANCE = 1 / 12  # of whole digital numbers, where the noise is not far below one of them
_LEAST_VARIANCE = 0.25  # DN²: below it rounding hides the noise
_HEADROOM = 5.0  # standard deviations that a usable pixel stays below full scale
_USED_SHARE = (0.05, 0.95)  # of the capacity, between which linearity is judged (EMVA 1288)


@dataclass(frozen=True)
class PhotonTransfer:
    """The sensor in the terms of EMVA 1288, at the gain of the captures.

    `electrons_per_dn` with its standard error; `read_noise_e` in the dark; `full_well_e` at which pixel or converter
    saturates; `nonlinearity_percent`: mean deviation of the signal from a straight line over the exposure, None where
    fewer than three exposures were bright and unsaturated. `signal_dn`, `variance_dn2 (N,)`: the curve itself, with
    `used (N,)` where it served.
    """

    electrons_per_dn: float
    electrons_per_dn_sigma: float
    read_noise_e: float | None
    full_well_e: float
    nonlinearity_percent: float | None
    signal_dn: NDArray[np.float64]
    variance_dn2: NDArray[np.float64]
    used: NDArray[np.bool_]
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class _Curve:
    """Means over bins of like pixels: signal, variance beyond the dark's, and the error of that variance, `(N,)`."""

    signal: NDArray[np.float64]
    variance: NDArray[np.float64]
    error: NDArray[np.float64]


def photon_transfer(flats: Sequence[Capture], darks: Sequence[Capture]) -> PhotonTransfer:
    """Gain, noise and linearity from flats, best 4 to 6 exposures of 8 frames or more, and darks.

    Saturated pixels and flats are left out. Raises `CalibrationInvalidError` where too little is left.
    """
    require_alike([*flats, *darks], "flat or dark")
    dark = fit_dark(darks)
    noisy = [c for c in flats if c.noise is not None and c.frames >= FEWEST_FRAMES]
    if not noisy:
        raise CalibrationInvalidError(
            f"no flat has {FEWEST_FRAMES} frames or more, from which its noise could be told; repeat one with 16 frames"
        )
    ceiling = noisy[0].full_scale - dark.level_dn
    curve = _curve(noisy, darks, dark)
    turning = _turning_point(curve, ceiling)
    used = (curve.signal < min(0.9 * turning, ceiling)) & (curve.signal > 0.01 * ceiling)
    clear = used & (curve.variance > _LEAST_VARIANCE)
    used = clear if clear.sum() >= _FEWEST_BINS else used
    if used.sum() < _FEWEST_BINS:
        raise CalibrationInvalidError(
            f"{int(used.sum())} bins of the flats are lit and unsaturated, expected at least {_FEWEST_BINS}; take "
            "flats between 15 % and 85 % of saturation"
        )
    signal, variance, weight = curve.signal[used], curve.variance[used], 1 / curve.error[used] ** 2
    gain = float((weight * signal * variance).sum() / (weight * signal**2).sum())
    misfit = float((weight * (variance - gain * signal) ** 2).sum() / (len(signal) - 1))
    gain_sigma = float(np.sqrt(max(misfit, 1.0) / (weight * signal**2).sum()))
    nonlinearity = _nonlinearity(flats, dark, turning)
    return PhotonTransfer(
        1 / gain,
        gain_sigma / gain**2,
        None if dark.read_noise_dn is None else dark.read_noise_dn / gain,
        min(turning, ceiling) / gain,
        nonlinearity,
        curve.signal,
        curve.variance,
        used,
        _checks(signal, variance, weight, nonlinearity),
    )


def _curve(flats: Sequence[Capture], darks: Sequence[Capture], dark: DarkFit) -> _Curve:
    usual = dark.hot_pixels == 0
    variance_dark = _dark_variance(darks, usual)
    points = []
    for capture in flats:
        noise = capture.noise if capture.noise is not None else np.zeros_like(capture.mean)
        top = capture.full_scale - _HEADROOM * float(np.median(noise[usual]))
        chosen = usual & (capture.mean < max(top, 0.9 * capture.full_scale))
        signal = (capture.mean - dark.at(capture.exposure_us))[chosen].astype(np.float64)
        variance = noise[chosen].astype(np.float64) ** 2
        order = np.argsort(signal)
        for part in np.array_split(order, _BINS):
            if len(part) >= 16:
                mean = float(variance[part].mean())
                error = mean * np.sqrt(2 / ((capture.frames - 1) * len(part)))
                points.append((float(signal[part].mean()), mean - variance_dark, error))
    table = np.array(points).reshape(-1, 3)
    table = table[np.argsort(table[:, 0])]
    return _Curve(table[:, 0], table[:, 1], np.maximum(table[:, 2], 1e-9))


def _dark_variance(darks: Sequence[Capture], usual: NDArray[np.bool_]) -> float:
    found = [float((c.noise[usual].astype(np.float64) ** 2).mean()) for c in darks if c.noise is not None]
    if not found:
        raise CalibrationInvalidError("no dark has two frames or more; repeat it with 32 frames")
    return max(float(np.mean(found)), _ROUNDING_VARIANCE)  # a dark finer than the steps shows no rounding either


def _turning_point(curve: _Curve, ceiling: float) -> float:
    """The signal beyond which the variance no longer grows: saturation. Infinite where it grows to the end."""
    if len(curve.signal) == 0:
        return float("inf")
    top = int(np.argmax(curve.variance))
    beyond = curve.variance[top + 1 :]
    if len(beyond) and beyond.min() < 0.7 * curve.variance[top]:
        return float(curve.signal[top])
    return float("inf") if curve.signal[-1] < ceiling else ceiling


def _nonlinearity(flats: Sequence[Capture], dark: DarkFit, turning: float) -> float | None:
    """Mean relative deviation in percent of the signal from the straight line over the exposure."""
    ceiling = min(turning, flats[0].full_scale - dark.level_dn)
    brightest = max(flats, key=lambda capture: float(capture.mean.mean()))
    level = brightest.mean[dark.hot_pixels == 0]
    chosen = (dark.hot_pixels == 0) & (brightest.mean >= np.percentile(level, 60))
    exposures, signals = [], []
    for capture in flats:
        signal = float(np.median((capture.mean - dark.at(capture.exposure_us))[chosen]))
        if _USED_SHARE[0] * ceiling <= signal <= _USED_SHARE[1] * ceiling:
            exposures.append(capture.exposure_us)
            signals.append(signal)
    if len(set(exposures)) < 3:
        return None
    x, y = np.array(exposures), np.array(signals)
    slope, start = np.polyfit(x, y, 1, w=1 / y)
    return 100 * float(np.abs(y / (start + slope * x) - 1).mean())


def _checks(
    signal: NDArray[np.float64],
    variance: NDArray[np.float64],
    weight: NDArray[np.float64],
    nonlinearity: float | None,
) -> tuple[Check, ...]:
    low = signal < np.median(signal)
    gains = [
        float((weight[part] * signal[part] * variance[part]).sum() / (weight[part] * signal[part] ** 2).sum())
        for part in (low, ~low)
    ]
    checks = [
        Check(
            name="bend of the photon transfer curve",
            value=100 * abs(gains[1] / gains[0] - 1),
            unit="%",
            limit=BEND_WARN_PERCENT,
            fail_limit=BEND_FAIL_PERCENT,
            advice="the lamp flickers or the flats saturate: steady the lamp, take flats below 85 % of saturation",
        )
    ]
    if nonlinearity is not None:
        checks.append(
            Check(
                name="nonlinearity of the sensor",
                value=nonlinearity,
                unit="%",
                limit=NONLINEARITY_WARN_PERCENT,
                fail_limit=NONLINEARITY_FAIL_PERCENT,
                advice="keep the lamp steady between the flats, switch off gamma and automatic gain of the camera",
            )
        )
    return tuple(checks)
