"""What is left of a filter's light where lamp, optics and detector see one side of it better than the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.capture import Line
from livecassi.calibration.dispersion_curve import Curve
from livecassi.calibration.fitting.line_profile import FWHM_PER_SIGMA, line_profile
from livecassi.calibration.fitting.response import ResponseFit

OUTER_DOUBT, INNER_DOUBT = 0.12, 0.02  # of its width: how far a filter may land from where it was entered
LEFT_DOUBT = 0.2  # of what the response moved it by
LEAST_SHARE = 0.05  # of a line's light that must come through, or the response says nothing about it


@dataclass(frozen=True)
class Efficiency:
    """Relative efficiency of lamp, optics and detector: `values` at ascending `wavelengths_nm`.

    Beyond them it goes on straight where it falls, as at the edge of a band-pass filter, and never rises.
    """

    wavelengths_nm: NDArray[np.float64]
    values: NDArray[np.float64]

    def at(self, wavelengths_nm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Linear interpolation."""
        inside = np.interp(wavelengths_nm, self.wavelengths_nm, self.values)
        nm, values = self.wavelengths_nm, self.values
        for edge, inner, beyond in ((0, 1, wavelengths_nm < nm[0]), (-1, -2, wavelengths_nm > nm[-1])):
            fall = max(0.0, (values[inner] - values[edge]) / abs(nm[inner] - nm[edge]))
            straight = values[edge] - fall * np.abs(wavelengths_nm - nm[edge])
            inside = np.where(beyond, np.maximum(straight, 0), inside)
        return inside


def efficiency_of(response: ResponseFit, curve: Curve, reference_nm: float) -> Efficiency:
    """From light per column, as the white reference tells it, to light per nanometre."""
    zero = float(curve.shift_px(reference_nm))
    wavelengths = np.asarray(curve.wavelength_nm(response.nodes_px + zero), np.float64)
    return Efficiency(wavelengths, response.density * np.abs(curve.slope_px_per_nm(wavelengths)))


def effective_line(line: Line, efficiency: Efficiency) -> Line:
    """The line as the camera sees it: centre of mass and width of its light, its name saying what was entered.

    A filter at the edge of the band loses its outer side, which moves what is seen of it inwards by up to a nanometre.
    The filter is taken to stand before the lamp of the scene. A laser stays as it is.
    """
    if line.fwhm_nm <= 0:
        return line
    wavelengths, weights = line_profile(line)
    seen = weights * efficiency.at(wavelengths)
    total = float(seen.sum())
    if total < LEAST_SHARE * float(efficiency.values.max()):
        return line
    centre = float(seen @ wavelengths) / total
    spread = float(np.sqrt(seen @ (wavelengths - centre) ** 2 / total))
    return replace(
        line,
        wavelength_nm=centre,
        fwhm_nm=FWHM_PER_SIGMA * spread,
        name=f"{line.title} as seen",
    )


def doubts_before(lines: Sequence[Line]) -> list[float]:
    """Standard errors of wavelengths in nm while the response is not known: the band may cut the outer filters."""
    outermost = {min(line.wavelength_nm for line in lines), max(line.wavelength_nm for line in lines)}
    return [line.fwhm_nm * (OUTER_DOUBT if line.wavelength_nm in outermost else INNER_DOUBT) for line in lines]


def doubts_after(lines: Sequence[Line], seen: Sequence[Line]) -> list[float]:
    """The same once the response is known: a share of what it moved each line by."""
    return [LEFT_DOUBT * abs(b.wavelength_nm - a.wavelength_nm) for a, b in zip(lines, seen, strict=True)]
