"""Lines of light that laboratories have: lamps, lasers, filters. Wavelengths in air."""

from collections.abc import Sequence

import numpy as np

from livecassi.app.calibrating.plan import USUAL_BANDS, CalibrationPlan, LinePlan

FILTERS = 10
FILTER_FWHM_NM = 10.0
LASERS = (
    LinePlan(nm=450.0, name="laser"),
    LinePlan(nm=532.0, name="laser"),
    LinePlan(nm=638.0, name="laser"),
)
# The two yellow lines of mercury are 2.1 nm apart: a filter shows both, with their mean as centre.
LAMP = (
    LinePlan(nm=435.83, name="Hg"),
    LinePlan(nm=546.07, name="Hg"),
    LinePlan(nm=578.02, fwhm=2.1, name="Hg pair"),
    LinePlan(nm=585.25, name="Ne"),
    LinePlan(nm=614.31, name="Ne"),
    LinePlan(nm=640.22, name="Ne"),
)


def band_span_nm(plan: CalibrationPlan) -> tuple[float, float]:
    """About where the bands of a plan begin and end; of bands given by steps, what their number usually spans."""
    choice = plan.fit_settings().bands
    if choice.wavelengths_nm is not None:
        return choice.wavelengths_nm[0], choice.wavelengths_nm[-1]
    usual = USUAL_BANDS[plan.system]
    first = choice.first_nm
    return first, first + (200.0 if usual.count == 28 else 290.0)


def filters(plan: CalibrationPlan) -> tuple[LinePlan, ...]:
    """Ten filters of 10 nm, spread over the bands of a plan; their real centres are to be measured.

    Each lies inside whole: the edge of the band would take light from one side of a filter and move what is left.
    """
    first, last = band_span_nm(plan)
    centres = np.linspace(first + FILTER_FWHM_NM / 2, last - FILTER_FWHM_NM / 2, FILTERS)
    return tuple(LinePlan(nm=round(float(nm), 1), fwhm=FILTER_FWHM_NM, name="filter") for nm in centres)


def presets(plan: CalibrationPlan) -> dict[str, tuple[LinePlan, ...]]:
    """Every preset by its name; a line of a lamp beyond the bands is of no use and left out."""
    first, last = band_span_nm(plan)
    return {
        "Hg-Ne lamp": tuple(line for line in LAMP if first - 20 <= line.nm <= last + 20),
        "Three lasers": LASERS,
        "Ten filters of 10 nm": filters(plan),
    }


def added(present: Sequence[LinePlan], more: Sequence[LinePlan]) -> tuple[LinePlan, ...]:
    """Both, by wavelength, none twice."""
    known = {line.nm for line in present}
    return tuple(sorted((*present, *(line for line in more if line.nm not in known)), key=lambda line: line.nm))


def farthest_gap_nm(plan: CalibrationPlan) -> float:
    """A wavelength for the verification: the middle of the widest gap between the lines of the fit."""
    lines = sorted(line.nm for line in plan.line if not line.verify)
    if len(lines) < 2:
        first, last = band_span_nm(plan)
        return round((first + last) / 2, 1)
    gaps = np.diff(lines)
    widest = int(np.argmax(gaps))
    return round(lines[widest] + float(gaps[widest]) / 2, 1)
