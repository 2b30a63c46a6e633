"""What a network is told: the mask of a calibration, and measurements as bright as those it was trained on.

A network reconstructs z_c = f · (r_c / r) · x_c, with r_c the response of band c, r the largest of them and f the
factor below: the bench measures Σ_c M_c r_c x_c, and the networks were trained on Σ_c M_c z_c with scenes of full scale
1. `to_network` and `from_network` are the two scales between.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, SubSteps, sensing_model
from livecassi.calibration.sensing import shifted_mask
from livecassi.engines.errors import EngineMismatchError
from livecassi.engines.networks.registry import NetworkSpec

Array32 = NDArray[np.float32]

LARGEST_SHIFT_ERROR_PX = 0.5  # of a band to the multiple of the step that a network shifts back by
FAINTEST_RESPONSE = 0.05  # of the largest; a band below it is not raised further, it would be noise
USUAL_BRIGHTNESS = 0.2  # mean of a scene of full scale 1
DARKEST, BRIGHTEST = 0.03, 0.7  # means of scenes that a network takes as they are
USUAL_PEAK = 0.8  # brighter than all but a thousandth of the places of a scene of full scale 1
LOOK_SIDE = 128  # of a measurement, about so many rows and columns are looked at for the peak


def check_bench(calibration: Calibration, network: NetworkSpec) -> None:
    """Raises `EngineMismatchError` for bands (`check_bands`) or a scene that the network does not work on."""
    check_bands(calibration, network.bands_for(calibration.system), network.step_px, network.name)
    check_size(calibration, network)


def check_shown(calibration: Calibration, network: NetworkSpec) -> None:
    """As `check_bench` for a bench that a network is shown: one that follows its shifts takes any.

    Raises `EngineMismatchError`.
    """
    if not network.follows_shifts:
        check_bench(calibration, network)
        return
    _check_number(calibration, network.bands_for(calibration.system), network.name)
    check_size(calibration, network)


def check_size(calibration: Calibration, network: NetworkSpec) -> None:
    """Raises `EngineMismatchError` for a scene that is too small for the network."""
    _, height, width = calibration.cube_shape
    if min(height, width) < (side := network.smallest_side):
        raise EngineMismatchError(
            f"'{network.name}' needs scenes of {side} x {side} px or more, calibration "
            f"'{calibration.header.name or calibration.id[:8]}' has {height} x {width}; choose a larger region of the "
            "sensor, or gap-tv"
        )


def check_bands(calibration: Calibration, bands: int, step_px: int, name: str) -> None:
    """Whether a calibration is one for the network `name` of `bands` bands, `step_px` apart.

    Raises `EngineMismatchError` for another number of bands, and, with a single disperser, for shifts that are not
    multiples of the step: the network shifts the measurement back by whole columns.
    """
    _check_number(calibration, bands, name)
    if not calibration.system.single_disperser:
        return
    where = calibration.header.name or calibration.id[:8]
    error = np.abs(calibration.dispersion_px - step_px * np.arange(bands))
    if (worst := float(error.max())) > LARGEST_SHIFT_ERROR_PX:
        band = int(error.argmax())
        raise EngineMismatchError(
            f"'{name}' expects bands {step_px} px apart; in calibration '{where}' band {band} is shifted by "
            f"{calibration.dispersion_px[band]:.2f} px instead of {step_px * band}, {worst:.2f} px off (at most "
            f"{LARGEST_SHIFT_ERROR_PX:g}); calibrate with band centres at multiples of the step, or choose gap-tv"
        )


def _check_number(calibration: Calibration, bands: int, name: str) -> None:
    if calibration.bands != bands:
        raise EngineMismatchError(
            f"'{name}' reconstructs {bands} bands, calibration '{calibration.header.name or calibration.id[:8]}' has "
            f"{calibration.bands}; choose a calibration with {bands} bands, or an engine that takes any number, such "
            "as gap-tv"
        )


def measured_columns(calibration: Calibration, network: NetworkSpec) -> int:
    """How many columns of a measurement a network reads: a last shift of 58.3 px widens frames by 59, of which 58 where
    it shifts back by whole steps.
    """
    bands, _, width = calibration.cube_shape
    if network.follows_shifts or not calibration.system.single_disperser:
        return calibration.measurement_shape[1]
    return width + network.step_px * (bands - 1)


def network_mask(calibration: Calibration) -> Array32:
    """The pattern `(H, W)` of a single disperser's mask, or what each band sees of a dual disperser's, `(C, H, W)`, at
    the calibrated shifts, whole or not.
    """
    if calibration.system.single_disperser:
        return calibration.mask
    one_shift_per_band = calibration.header.model_copy(update={"sub_steps": SubSteps.POINT})  # as in the training
    return shifted_mask(replace(calibration, header=one_shift_per_band))


class Brightness:
    """Scales measurements to what a network was trained on and its cubes back.

    `factor` None: chosen from the measurement, 1 where the calibration's units already give a usual brightness, and
    kept while that stays usual, so that a video does not flicker. What is dark but for bright spots is not raised
    beyond what these spots may be.
    """

    def __init__(self, calibration: Calibration, factor: float | None = None) -> None:
        response = calibration.response
        self._largest = float(response.max())
        self._gain = self._largest / np.maximum(response, FAINTEST_RESPONSE * self._largest)
        self._white = float(sensing_model(calibration).forward(np.ones(calibration.cube_shape, np.float32)).mean())
        self._given = factor
        self._factor = 1.0 if factor is None else factor

    def choose(self, values: Array32) -> None:
        """Look at a measurement `(H, W')` and keep or change the factor."""
        if self._given is None:
            self.choose_by(float(values.mean(dtype=np.float64)), peak_of(thinned(values)))

    def choose_by(self, mean: float, peak: float) -> None:
        """As `choose`, for the mean and the peak of a measurement."""
        mean, peak = mean / self._white, peak / self._white
        if self._given is not None or mean <= 0 or _is_usual(mean * self._factor, peak * self._factor):
            return
        usual = USUAL_BRIGHTNESS / mean
        self._factor = 1.0 if _is_usual(mean, peak) else min(usual, USUAL_PEAK / peak) if peak > 0 else usual

    def forget(self) -> None:
        """Choose afresh."""
        if self._given is None:
            self._factor = 1.0

    @property
    def to_network(self) -> float:
        """What measurements are multiplied by."""
        return self._factor / self._largest

    @property
    def from_network(self) -> Array32:
        """What the bands of a cube are multiplied by, `(C, 1, 1)`."""
        return (self._gain / np.float32(self._factor))[:, None, None].astype(np.float32)


def thinned(values: Array32) -> Array32:
    """Some rows and columns of a measurement."""
    rows, columns = (slice(None, None, max(1, side // LOOK_SIDE)) for side in values.shape)
    return values[rows, columns]


def peak_of(values: Array32) -> float:
    """What all but a thousandth of the values do not reach."""
    return float(np.percentile(values, 99.9))


def _is_usual(mean: float, peak: float) -> bool:
    return DARKEST <= mean <= BRIGHTEST or (mean < DARKEST and USUAL_PEAK / 2 <= peak <= 1)
