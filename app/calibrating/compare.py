"""Before and after: one frame reconstructed with two calibrations, to see what the new one is worth."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from livecassi.app.colour import ColourRenderer
from livecassi.app.engine_choice import build_chosen
from livecassi.app.engine_list import engine_specs
from livecassi.app.levels import robust_levels, thinned
from livecassi.calibration import Calibration, Corrector
from livecassi.calibration.sensing import sensing_model
from livecassi.drivers import Frame
from livecassi.engines import EngineError

ENGINE = "gap-tv"


@dataclass(frozen=True, slots=True)
class Reconstructed:
    """One frame through one calibration: `picture (H, W, 3)` sRGB uint8, and in per cent what of the measurement the
    cube does not explain. That share is a weak alarm only: a solver absorbs much of a wrong calibration."""

    name: str
    picture: NDArray[np.uint8]
    unexplained_percent: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same frame before and after."""

    before: Reconstructed
    after: Reconstructed


def compare(frame: Frame, before: Calibration, after: Calibration, *, engine: str = ENGINE) -> Comparison:
    """Reconstruct `frame` with both, each alone and with the same engine.

    Raises `CalibrationMismatchError` where the frame does not belong to one of them, and `EngineError`.
    """
    return Comparison(reconstructed(frame, before, engine=engine), reconstructed(frame, after, engine=engine))


def reconstructed(frame: Frame, calibration: Calibration, *, engine: str = ENGINE) -> Reconstructed:
    """The frame as this calibration sees it. Raises as `compare`."""
    measurement = Corrector(calibration, pedestal=None).correct(frame)
    with build_chosen(engine_specs(), engine, calibration) as built:
        cube = built.reconstruct(measurement)
        if cube is None:
            raise EngineError(f"engine '{engine}' gives no cube for a single frame; compare with '{ENGINE}'")
        values = np.asarray(cube.values, np.float32)
    renderer = ColourRenderer(calibration.wavelengths_nm)
    white = robust_levels(renderer.linear(np.ascontiguousarray(thinned(values))).max(axis=0)).high
    left = measurement.values - sensing_model(calibration).forward(values)
    share = float(np.linalg.norm(left) / max(float(np.linalg.norm(measurement.values)), 1e-12))
    return Reconstructed(calibration.header.name, renderer.render(values, max(white, 1e-6)), 100 * share)


def straight_guess(calibration: Calibration) -> Calibration:
    """The same bench with the dispersion that two lines alone would suggest: a straight line over the wavelengths.

    What stands for "before" where there is no earlier version.
    """
    nm, shifts = calibration.wavelengths_nm, calibration.dispersion_px
    straight = np.interp(nm, [nm[0], nm[-1]], [shifts[0], shifts[-1]]).astype(np.float32)
    header = calibration.header.model_copy(update={"name": "straight dispersion", "record": None})
    return replace(calibration, header=header, dispersion_px=straight, covariance=None)
