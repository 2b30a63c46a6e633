"""How much softer a picture is than mask and smear say: the point spread of one line."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.optimize import least_squares

from livecassi.calibration.calibration import Array32
from livecassi.calibration.errors import CalibrationInvalidError
from livecassi.calibration.fitting.mask import predict
from livecassi.calibration.fitting.projection import Geometry

_LARGEST_SIDE_PX = 320  # more pixels tell no more
_SMALLEST_SIDE_PX = 24
_MARGIN_PX = 8  # outside it the Fourier transform's wrap shows
_VARIANCE_PX2 = (-0.3, 25.0)  # below 0: sharper than the mask, which is a mean over all lines


@dataclass(frozen=True)
class LinePsf:
    """Standard deviations of a Gaussian, px: across and along the dispersion; 0 where the picture is not softer.

    `sigma_px`: standard error of these (of their larger one).
    """

    across_px: float
    along_px: float
    sigma_px: float


def line_psf(picture: Array32, mask: Array32, geometry: Geometry) -> LinePsf:
    """What a picture `(H, W')` is softer than the mask `(H, width)` shown as `geometry` says.

    Two variances, a gain and a background by least squares. Raises `CalibrationInvalidError` where the picture shows
    too little of the mask.
    """
    shape = (picture.shape[0], picture.shape[1])
    reach = int(np.ceil(np.abs(geometry.kernel.offsets_px).max())) + _MARGIN_PX
    first = max(0, round(geometry.shift_px) + reach)
    last = min(shape[1], round(geometry.shift_px) + mask.shape[1] - reach)
    rows, columns = _middle(0, shape[0]), _middle(first, last)
    if columns.stop - columns.start < _SMALLEST_SIDE_PX or rows.stop - rows.start < _SMALLEST_SIDE_PX:
        raise CalibrationInvalidError(
            f"the picture shows {max(0, last - first)} columns and {shape[0]} rows of the mask, expected at least "
            f"{_SMALLEST_SIDE_PX} of each to tell its sharpness; check the shift of the line"
        )
    told = predict(mask, geometry, shape)[rows, columns].astype(np.float64)
    seen = picture[rows, columns].astype(np.float64)
    return _fitted(seen, told - told.mean())


def _fitted(seen: NDArray[np.float64], told: NDArray[np.float64]) -> LinePsf:
    spectrum = np.asarray(fft.rfft2(told))
    down = (2 * np.pi * np.fft.fftfreq(told.shape[0]))[:, None] ** 2
    along = (2 * np.pi * np.fft.rfftfreq(told.shape[1]))[None, :] ** 2
    inner = slice(_MARGIN_PX, -_MARGIN_PX), slice(_MARGIN_PX, -_MARGIN_PX)
    wanted = seen[inner].ravel()
    good = np.isfinite(wanted)
    middle = np.median(wanted[good])
    good &= np.abs(wanted - middle) < 4 * np.percentile(np.abs(wanted[good] - middle), 90)  # hot pixels
    wanted = wanted[good]

    def left(variances: NDArray[np.float64]) -> NDArray[np.float64]:
        blur = np.exp(-0.5 * (variances[0] * down + variances[1] * along))
        softer = np.asarray(fft.irfft2(spectrum * blur, told.shape))[inner].ravel()[good]
        design = np.column_stack([softer, np.ones(len(softer))])
        brightness = np.linalg.solve(design.T @ design, design.T @ wanted)
        return np.asarray((design @ brightness - wanted) / abs(brightness[0]))

    found = least_squares(left, [0.05, 0.05], bounds=_VARIANCE_PX2, x_scale=0.1, diff_step=[1e-3, 1e-3], xtol=1e-5)
    scatter = 2 * found.cost / max(1, len(wanted) - 4)
    jacobian = np.asarray(found.jac, np.float64)
    errors = np.sqrt(np.maximum(np.diag(np.linalg.pinv(jacobian.T @ jacobian)) * scatter, 0))
    across, sideways = (float(np.sqrt(max(0.0, variance))) for variance in found.x)
    widest = max(across, sideways)
    sigma = float(errors.max()) / (2 * widest) if widest > np.sqrt(errors.max()) else float(np.sqrt(errors.max()))
    return LinePsf(across, sideways, sigma)


def _middle(first: int, last: int) -> slice:
    """The middle of a range, at most the largest side."""
    size = min(last - first, _LARGEST_SIDE_PX)
    start = first + (last - first - size) // 2
    return slice(start, start + size)
