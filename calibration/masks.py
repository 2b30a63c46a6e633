"""The coded apertures that follow from a rule: the comb of PMVIS and the notches of NDSSI, for any size.

Both stagger one tooth per 60 columns over 4 rows: row i has its teeth at the columns 1 + 15 (i mod 4) + 60 n. The
period is that of 30 bands at 2 columns each, so that the spectra of two openings of a row just do not overlap.
Source: the published DynaSpec masks (cassi-protocol 3.3), which these functions equal at 256 rows.
"""

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32

PERIOD_PX, STAGGER_PX, STAGGERED_ROWS, FIRST_TOOTH_PX = 60, 15, 4, 1


def pmvis_mask(height: int, width: int, *, first_column: int = 0) -> Array32:
    """The mask `(height, width)` of PMVIS: closed (0) but for the teeth (1).

    `first_column` is the number of the mask's column with which the array begins; it may be negative.
    """
    return _teeth(height, width, first_column).astype(np.float32)


def notch_mask(height: int, width: int, *, first_column: int = 0) -> Array32:
    """The mask `(height, width)` of NDSSI, complement of `pmvis_mask`: open (1) but for the teeth (0)."""
    return (~_teeth(height, width, first_column)).astype(np.float32)


def _teeth(height: int, width: int, first_column: int) -> NDArray[np.bool_]:
    row, column = np.ogrid[:height, first_column : first_column + width]
    teeth: NDArray[np.bool_] = (column - FIRST_TOOTH_PX - STAGGER_PX * (row % STAGGERED_ROWS)) % PERIOD_PX == 0
    return teeth
