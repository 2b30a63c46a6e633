"""Drift: whether the mask still stands where the calibration has it. Across the dispersion it does ten times the harm.

Three ways. The white reference under the scene's lamp, and the mask under one line, are patterns that the calibration
predicts: the frame is registered to them (specification 3, capture 8). Any live scene tells, too, as long as it is lit
and has smooth parts. But there a displacement along the dispersion is nearly the same as a change of every spectrum:
under light of another colour than calibrated it comes out wrong, by 0.3 to 0.4 px under an LED on the simulated bench
calibrated for daylight. So a scene only warns of it, and white or a line decides.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from livecassi.calibration.calibration import Array32, Calibration
from livecassi.calibration.carriers import line_pattern, scene_carriers, white_pattern
from livecassi.calibration.checks import Check, Verdict, worst
from livecassi.calibration.correct import check_frame_shape
from livecassi.calibration.mask_motion import MaskMotion, Motion
from livecassi.calibration.pattern_shift import pattern_shift

WARN_PX, ALARM_PX = 0.1, 0.25
UNSURE_PX = ALARM_PX / 2  # a displacement of a larger standard deviation is not told
SIGNIFICANCE = 2.0  # standard deviations by which a displacement must differ from none
LEAST_CORRELATION = 0.6  # of a frame with the pattern that is expected
LEAST_EVIDENCE = 0.5  # of the mask in a scene: 0.6 to 0.9 at 256 x 256, below 0.1 with another mask
SHAPES = 7  # spectral shapes of a scene, cosines over the bands
SHAPE_DECAY = 1.6  # shape k varies as (1 + k)^-1.6, about as measured reflectances do
WINDOW_PX = 12
# What all estimates of a kind have in common and no frame tells: (along, across), measured on the simulated bench.
SCENE_FLOOR_PX = (0.07, 0.015)
PATTERN_FLOOR_PX = (0.015, 0.015)

_ADVICE = "let the bench come to rest and check again, then align it or calibrate again"
_ADVICE_ALONG = "or the light has another colour than calibrated; check with the white reference or with one line"


class DriftKind(StrEnum):
    """What the camera looked at."""

    SCENE = "scene"
    WHITE = "white"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class Drift:
    """Displacement of the mask's picture on the camera against the calibration, px, along and across the dispersion.

    None: this frame cannot tell. `*_sigma_px`: one standard deviation, infinite where it cannot tell.
    `correlation`: of the frame with what was expected of it.
    """

    kind: DriftKind
    along_px: float | None
    across_px: float | None
    along_sigma_px: float
    across_sigma_px: float
    correlation: float

    @property
    def checks(self) -> tuple[Check, ...]:
        """Across and along, each that is known against its limits; what does not differ from none counts as none."""
        return tuple(check for check in (self.across_check, self.along_check) if check is not None)

    @property
    def across_check(self) -> Check | None:
        """Across the dispersion, None where it is not known."""
        return _check("drift across the dispersion", self.across_px, self.across_sigma_px, ALARM_PX, _ADVICE)

    @property
    def along_check(self) -> Check | None:
        """Along the dispersion, None where it is not known; a scene alone never fails it."""
        limit, advice = (math.inf, _ADVICE_ALONG) if self.kind is DriftKind.SCENE else (ALARM_PX, _ADVICE)
        return _check("drift along the dispersion", self.along_px, self.along_sigma_px, limit, advice)

    @property
    def verdict(self) -> Verdict | None:
        """The worse of both; None where the one across, which does most harm, is not known to be small."""
        told = worst(self.checks)
        return None if self.across_px is None and told is Verdict.PASS else told


def _check(name: str, value: float | None, sigma: float, alarm: float, advice: str) -> Check | None:
    if value is None:
        return None
    told = abs(value) if abs(value) >= SIGNIFICANCE * sigma else 0.0
    return Check(name=name, value=told, unit="px", limit=WARN_PX, fail_limit=alarm, advice=advice)


class SceneDrift:
    """`drift_on_scene` with everything prepared that depends on the calibration only."""

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        count = min(SHAPES, calibration.bands)
        width = calibration.cube_shape[2]
        columns = (calibration.largest_shift_px, width) if calibration.system.single_disperser else (0, width)
        spreads = (1.0 + np.arange(count, dtype=np.float64)) ** -SHAPE_DECAY
        self._motion = MaskMotion(scene_carriers(calibration, count), spreads, columns, WINDOW_PX)

    def measure(self, values: Array32) -> Drift:
        """The drift told from a measurement of any scene. Raises `CalibrationMismatchError` for another size."""
        check_frame_shape(self._calibration, values.shape)
        motion = self._motion.find(values)
        return _told(DriftKind.SCENE, motion, SCENE_FLOOR_PX, motion.evidence >= LEAST_EVIDENCE)


def drift_on_scene(values: Array32, calibration: Calibration) -> Drift:
    """The drift told from a measurement `(H, W')` of any scene that is lit and has smooth parts.

    Raises `CalibrationMismatchError` for another size.
    """
    return SceneDrift(calibration).measure(values)


def drift_on_white(values: Array32, calibration: Calibration) -> Drift:
    """The drift told from a measurement `(H, W')` of the white reference under the lamp of the calibration.

    Raises `CalibrationMismatchError` for another size.
    """
    check_frame_shape(calibration, values.shape)
    motion = pattern_shift(white_pattern(calibration), values, (0, values.shape[1]))
    return _told(DriftKind.WHITE, motion, PATTERN_FLOOR_PX, motion.correlation >= LEAST_CORRELATION)


def drift_on_line(values: Array32, calibration: Calibration, wavelength_nm: float) -> Drift:
    """The drift told from a measurement `(H, W')` of an even target under one line of light.

    Raises `CalibrationMismatchError` for another size and for a line outside the bands.
    """
    check_frame_shape(calibration, values.shape)
    pattern, columns = line_pattern(calibration, wavelength_nm)
    motion = pattern_shift(pattern, values, columns)
    return _told(DriftKind.LINE, motion, PATTERN_FLOOR_PX, motion.correlation >= LEAST_CORRELATION)


def _told(kind: DriftKind, motion: Motion, floor: tuple[float, float], recognised: bool) -> Drift:
    """A displacement is told only where the mask was recognised and the displacement is sure enough."""
    along, across = (
        math.hypot(sigma, least) if recognised else math.inf
        for sigma, least in zip((motion.along_sigma_px, motion.across_sigma_px), floor, strict=True)
    )
    return Drift(
        kind,
        motion.along_px if along <= UNSURE_PX else None,
        motion.across_px if across <= UNSURE_PX else None,
        along,
        across,
        motion.correlation,
    )
