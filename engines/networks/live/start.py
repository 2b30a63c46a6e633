"""What the live network is given: a few iterations of total variation, and what they leave unexplained.

The physics comes first: a solver on spectral coefficients goes on from the previous frame, so that time does the work
of many iterations, and the network only mends what its prior cannot know.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration
from livecassi.calibration.sensing import shifted_mask
from livecassi.engines.gap_tv.row_pool import RowPool
from livecassi.engines.gap_tv.solver import Solver
from livecassi.engines.gap_tv.subspace import subspace_model
from livecassi.engines.gap_tv.tracker import Pace, Tracker
from livecassi.engines.networks.live.curves import Curves

Array32 = NDArray[np.float32]

VIEWS = 4  # bands, spread evenly, whose view of the measurement (single disperser) or of the mask (dual) is shown
GRID = 8  # the network takes features whose rows and columns are multiples of it
PACE = Pace(iterations=80, live_iterations=3)  # what 30 frames a second leave time for


def feature_count(start_rank: int) -> int:
    """Coefficients of the start, their next data step, and the views of mask and measurement."""
    return 2 * start_rank + VIEWS + 1


@dataclass(frozen=True, slots=True)
class Started:
    """The features `(F, H, W)` of a measurement and the `brightness` of its scene.

    The first `r` features are coefficients of the curves for a scene of brightness 1, the next `r` the step that the
    measurement still asks of them; the views follow.
    """

    features: Array32
    brightness: float


class Start:
    """The solver of one calibration, from frame to frame.

    The features are overwritten by the next frame; where they are written, `(F, H, W)`, can be given.
    """

    def __init__(
        self,
        calibration: Calibration,
        curves: Curves,
        pool: RowPool,
        pace: Pace = PACE,
        live: bool = True,
        features: Array32 | None = None,
    ) -> None:
        self._basis = curves.start_basis(calibration.wavelengths_nm)
        self._spread = curves.spread[:, None, None]
        solver = Solver(subspace_model(calibration, self._basis, pool), calibration.cube_shape, pool)
        self._tracker = Tracker(calibration, solver, pace, live)
        bands, height, width = calibration.cube_shape
        rank = len(curves.spread)
        self._single = calibration.system.single_disperser
        shape = (feature_count(rank), height, width)
        self._features = np.zeros(shape, np.float32) if features is None else features
        if self._features.shape != shape:
            raise ValueError(f"room for features of shape {self._features.shape} was given, expected {shape}")
        self._moved = np.zeros((rank, height, width), np.float32)
        chosen = np.linspace(0, bands - 1, VIEWS).round().astype(int)
        if self._single:
            self._columns = calibration.dispersion_px[chosen].round().astype(int)
            self._features[2 * rank] = calibration.mask
        else:
            self._features[2 * rank + 1 :] = shifted_mask(calibration)[chosen]

    def follow(self, values: Array32, frame_index: int) -> Started:
        """The features of a measurement `(H, W')`; see `Tracker` for when they go on from the previous one."""
        measured, brightness = self._tracker.follow(values, frame_index)
        solver = self._tracker.solver
        rank, _, width = solver.z.shape
        np.multiply(solver.z, self._spread, out=self._features[:rank])
        solver.model.data_step(solver.z, measured, self._moved)
        np.subtract(self._moved, solver.z, out=self._moved)
        np.multiply(self._moved, self._spread, out=self._features[rank : 2 * rank])
        relative = measured / np.float32(self._tracker.light)
        if self._single:
            for place, column in enumerate(self._columns):
                view = relative[:, column : column + width]
                self._features[2 * rank + 1 + place, :, : view.shape[1]] = view
        else:
            self._features[2 * rank] = relative
        return Started(self._features, brightness)

    def reset(self) -> None:
        """Forget the previous measurements."""
        self._tracker.reset()
