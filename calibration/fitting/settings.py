"""What a fit is told besides the captures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32, System
from livecassi.calibration.errors import CalibrationError


@dataclass(frozen=True, slots=True)
class BandChoice:
    """Which bands the calibration gets.

    With `wavelengths_nm` these, at the shifts where the curve puts them. Else `count` bands that begin at `first_nm`
    and whose shifts are exact multiples of `step_px`: a network trained at that step sees its own geometry, and the
    bands are labelled with the calibrated wavelengths (specification 8, option A).
    """

    first_nm: float = 450.0
    step_px: float = 2.0
    count: int = 28
    wavelengths_nm: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class FitSettings:
    """The bench and the wishes of the operator.

    `design (rows, columns)`: the drawing of the coded aperture in camera pixels, where there is one; the captured mask
    is registered against it, never replaced by it. `white_reflectance`: of the white reference; `white_spectrum`: its
    spectrum under the lamp of the scene as a spectrometer reads it, wavelengths in nm and values `(L,)`.
    `curve_terms`: of the dispersion curve, None: three where the lines allow it. `chart`: inner corners (rows,
    columns) of the chessboard. `roi` (row, column, height, width in the full sensor), `flip_rows`, `flip_columns`: as
    the camera was set.
    """

    system: System
    bands: BandChoice = field(default_factory=BandChoice)
    name: str = ""
    operator: str = ""
    optics: str = ""
    notes: str = ""
    design: Array32 | None = None
    white_reflectance: float = 1.0
    white_spectrum: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    curve_terms: int | None = None
    chart: tuple[int, int] = (6, 9)
    spectrometer_serial: str = ""
    medium: str = "air"
    parent_id: str = ""
    overrides: tuple[str, ...] = ()
    roi: tuple[int, int, int, int] | None = None
    flip_rows: bool = False
    flip_columns: bool = False


class FitCancelledError(CalibrationError):
    """The operator gave up a fit that was running."""


@dataclass(frozen=True, slots=True)
class FitWatch:
    """How a long fit tells what it does (`tell(what, share 0..1)`), and how it is given up."""

    tell: Callable[[str, float], None] = lambda _what, _share: None
    cancelled: Event = field(default_factory=Event)

    def at(self, what: str, share: float) -> None:
        """Called between steps. Raises `FitCancelledError` where the operator gave up."""
        if self.cancelled.is_set():
            raise FitCancelledError("the fit was given up; nothing was changed")
        self.tell(what, share)
