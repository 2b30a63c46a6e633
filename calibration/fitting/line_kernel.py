"""What dispersion makes of light that is not of one wavelength: a smear along the columns, as a kernel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration.calibration import Array32
from livecassi.calibration.capture import Line
from livecassi.calibration.dispersion_curve import Curve
from livecassi.calibration.fitting.line_profile import line_profile
from livecassi.drivers.opencv import cv2

LOBES = 4  # of the windowed sinc with which pictures are read between pixels
_PARTS_PER_PX = 8


@dataclass(frozen=True)
class Kernel:
    """Where light lands: `offsets_px (T,)` along the columns with `weights (T,)` that sum to 1."""

    offsets_px: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def mean_px(self) -> float:
        """Centre of mass."""
        return float(self.offsets_px @ self.weights)

    @property
    def width_px(self) -> float:
        """Standard deviation."""
        return float(np.sqrt((self.offsets_px - self.mean_px) ** 2 @ self.weights))

    def centred(self) -> "Kernel":
        """The same smear about its centre of mass."""
        return Kernel(self.offsets_px - self.mean_px, self.weights)

    def moved(self, shift_px: float) -> "Kernel":
        """The same smear `shift_px` columns further on."""
        return Kernel(self.offsets_px + shift_px, self.weights)

    def mirrored(self) -> "Kernel":
        """The smear in a system whose picture of the mask moves the other way."""
        return Kernel(-self.offsets_px, self.weights)


POINT = Kernel(np.zeros(1), np.ones(1))


def line_kernel(curve: Curve, line: Line) -> Kernel:
    """The smear of a Gaussian line, against where its centre lands; one point for a laser."""
    wavelengths, weights = line_profile(line)
    return Kernel(curve.shift_px(wavelengths) - float(curve.shift_px(line.wavelength_nm)), weights)


def band_kernel(low_px: float, high_px: float) -> Kernel:
    """Even light from one shift to another (in either order)."""
    count = max(1, int(np.ceil(_PARTS_PER_PX * abs(high_px - low_px))))
    parts = (np.arange(count) + 0.5) / count
    return Kernel(low_px + parts * (high_px - low_px), np.full(count, 1 / count))


def kernel_taps(kernel: Kernel) -> tuple[int, NDArray[np.float64]]:
    """The kernel on whole columns: the first one's number and the weights, which sum to 1.

    Offsets between columns are shared by a sinc with a Lanczos window of `LOBES` lobes, exact for whole ones.
    """
    whole = np.floor(kernel.offsets_px)
    first, last = int(whole.min()) - LOBES + 1, int(whole.max()) + LOBES
    distances = np.arange(first, last + 1)[:, None] - kernel.offsets_px[None]
    inside = np.abs(distances) < LOBES
    each = np.where(inside, np.sinc(distances) * np.sinc(distances / LOBES), 0)
    each /= each.sum(axis=0)
    return first, each @ kernel.weights


def convolve_columns(image: Array32, kernel: Kernel) -> Array32:
    """`out[i, n] = Σ_t weight_t · image[i, n - offset_t]`, float32 `(H, W)`; the border repeats."""
    first, taps = kernel_taps(kernel)
    reach = max(abs(first), abs(first + len(taps) - 1))
    flipped = np.zeros((1, 2 * reach + 1), np.float32)
    flipped[0, first + reach : first + reach + len(taps)] = taps
    # OpenCV correlates, hence the flip
    turned = np.ascontiguousarray(flipped[:, ::-1])
    return np.asarray(cv2.filter2D(image, cv2.CV_32F, turned, borderType=cv2.BORDER_REPLICATE), np.float32)
