"""How a simulated bench is built, and where its bands lie."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.bench.dispersion import DispersionCurve
from livecassi.calibration.bench.mask import ApertureDesign
from livecassi.calibration.calibration import System
from livecassi.calibration.errors import CalibrationInvalidError

BANDS = {System.SD_CASSI: (28, 30), System.DD_CASSI: (30,), System.PMVIS: (30,), System.NDSSI: (30,)}


@dataclass(frozen=True, slots=True)
class BenchDesign:
    """How the bench is built. `peak_e_s` is the light of the brightest 0.1 % of pixels at the first moment.

    Bends are off by default. `smile_px` and `keystone_px` are added to every shift, see
    `FieldShift`. `distortion_k1` is the radial distortion (OpenCV's k1) of the objective that pictures the target on
    the aperture: only a chessboard shows it. `efficiency_bends_lines`: band-pass and sensor reshape a line that has a
    width, so that its mean wavelength is no longer the one that its maker states, as on any real bench; else it
    arrives as stated.
    """

    peak_e_s: float = 2_300_000.0
    psf_px: float = 0.3  # standard deviation of the lens's point spread
    stray_share: float = 0.01  # of the light, spread widely
    vignetting: float = 0.18  # loss in the corners
    aperture: ApertureDesign = field(default_factory=ApertureDesign)
    smile_px: float = 0.0
    keystone_px: float = 0.0
    distortion_k1: float = 0.0
    efficiency_bends_lines: bool = True


def usual_design(system: System) -> BenchDesign:
    """The bench as it is usually built."""
    if system is System.PMVIS:  # few openings: chrome must be dense
        return BenchDesign(aperture=ApertureDesign(closed_transmission=0.0005))
    return BenchDesign()


def spectral_layout(system: System, bands: int | None) -> tuple[DispersionCurve, NDArray[np.float64]]:
    """The curve and the band centres of each system; `bands` None: as many as usual, the first of `BANDS`."""
    possible = BANDS[system]
    if bands not in (None, *possible):
        raise CalibrationInvalidError(
            f"{bands} bands were asked for, a simulated {system} bench has {' or '.join(map(str, possible))}; "
            "choose one of these"
        )
    if system is System.SD_CASSI and bands in (None, 28):
        curve = DispersionCurve(450.0, 650.0, 54.0)
        return curve, curve.wavelength_nm(2.0 * np.arange(28))
    curve = DispersionCurve(410.0, 700.0, 58.0)
    if system is System.DD_CASSI:
        return curve, np.arange(410.0, 701.0, 10.0)
    return curve, curve.wavelength_nm(2.0 * np.arange(30))
