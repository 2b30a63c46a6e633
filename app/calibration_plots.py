"""Pictures of a calibration: mask, residual map, dispersion curve with its band, response, dark and flat.

Drawn on figures of their own, never through pyplot: nothing is shared, so any thread may draw.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livecassi.app.calibration_curve_plot import draw_curve, draw_curve_residuals
from livecassi.app.calibration_look import BLUE, QUIET, RED, colour_bar, open_axes, pixel_axes, styled
from livecassi.calibration import Calibration, CalibrationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RESIDUAL_PX = 0.25  # the ends of the colours of a residual map: where a registration fails
LEAST_DARK_DN = 2.0  # the colours of a dark reach at least so far from its median


def save_plots(calibration: Calibration, folder: Path) -> list[Path]:
    """One PNG for each thing that the calibration holds, into a folder that is made. Raises `CalibrationError`."""
    saved = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, draw in drawings(calibration).items():
            path = folder / f"{name}.png"
            _save(draw, calibration, path)
            saved.append(path)
    except OSError as error:
        raise CalibrationError(
            f"pictures cannot be written into {folder} ({error.strerror or error}); choose another folder"
        ) from error
    return saved


Draw = Callable[["Figure", Calibration], None]


def drawings(calibration: Calibration) -> dict[str, Draw]:
    """Every picture that this calibration has, by name; each fills a figure of its own."""
    present: dict[str, Draw] = {"mask": _mask_figure, "dispersion": _dispersion_figure, "response": _response_figure}
    if calibration.residuals_px is not None:
        present["residuals"] = _residuals_figure
    if calibration.dark is not None:
        present["dark"] = _dark_figure
    if calibration.flat is not None:
        present["flat"] = _flat_figure
    return present


# ---- on axes that somebody else has laid out -------------------------------------------------------------------------


def draw_mask(axes: "Axes", calibration: Calibration) -> None:
    """The grey mask, 0 black to 1 white."""
    rows, columns = calibration.mask.shape
    axes.imshow(calibration.mask, cmap="gray", vmin=0, vmax=1)
    axes.set_title(f"Mask, {rows} × {columns} px, mean {calibration.mask.mean():.3f}")
    pixel_axes(axes)


def draw_residuals(axes: "Axes", calibration: Calibration, along: bool, *, bar: bool = True) -> None:
    """What the fit leaves on tiles, along or across the dispersion; red to the right or below. `bar`: its scale."""
    assert calibration.residuals_px is not None
    tiles = calibration.residuals_px[0 if along else 1]
    height, width = calibration.measurement_shape
    image = axes.imshow(
        tiles, cmap="RdBu_r", vmin=-RESIDUAL_PX, vmax=RESIDUAL_PX, extent=(0, width, height, 0), aspect="equal"
    )
    rms = float(np.sqrt(np.mean(tiles**2)))
    axes.set_title(f"{'Along' if along else 'Across'} the dispersion, {rms:.3f} px rms")
    pixel_axes(axes)
    if bar:
        colour_bar(axes, image, "px")


def draw_response(axes: "Axes", calibration: Calibration) -> None:
    """The efficiency of each band."""
    axes.plot(calibration.wavelengths_nm, calibration.response, "-", color=QUIET, lw=0.9)
    axes.plot(calibration.wavelengths_nm, calibration.response, "o", ms=4, color=BLUE)
    axes.set_ylim(bottom=0)
    axes.set_title("Response of the bands (lamp × optics × detector)")
    axes.set_xlabel("band centre, nm")
    axes.set_ylabel("relative")
    open_axes(axes)


def draw_dark(axes: "Axes", calibration: Calibration) -> None:
    """The dark in DN; hot pixels lie beyond the ends of the colours and are ringed."""
    assert calibration.dark is not None
    low, middle, high = np.percentile(calibration.dark, [1, 50, 99])
    low, high = min(low, middle - LEAST_DARK_DN), max(high, middle + LEAST_DARK_DN)
    image = axes.imshow(calibration.dark, cmap="gray", vmin=low, vmax=high)
    title = f"Dark, median {middle:.1f} DN"
    if calibration.hot_pixels is not None:
        rows, columns = np.nonzero(calibration.hot_pixels)
        title += f", {len(rows)} hot pixels"
        axes.plot(columns[:500], rows[:500], "o", ms=4, mfc="none", mec=RED, mew=0.7)
    axes.set_title(title)
    pixel_axes(axes)
    colour_bar(axes, image, "DN")


def draw_flat(axes: "Axes", calibration: Calibration) -> None:
    """The flat, relative."""
    assert calibration.flat is not None
    low, high = np.percentile(calibration.flat, [0.5, 99.5])
    image = axes.imshow(calibration.flat, cmap="gray", vmin=low, vmax=max(high, low + 1e-3))
    axes.set_title(f"Flat, {low:.3f} to {high:.3f}")
    pixel_axes(axes)
    colour_bar(axes, image, "relative")


# ---- figures of their own --------------------------------------------------------------------------------------------


def _mask_figure(figure: "Figure", calibration: Calibration) -> None:
    draw_mask(figure.add_subplot(), calibration)


def _dispersion_figure(figure: "Figure", calibration: Calibration) -> None:
    record = calibration.header.record
    if record is None or record.curve is None:
        axes = figure.add_subplot()
        draw_curve(axes, calibration)
        axes.set_xlabel("wavelength, nm")
        return
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    draw_curve(above, calibration)
    draw_curve_residuals(below, calibration)


def _residuals_figure(figure: "Figure", calibration: Calibration) -> None:
    left, right = figure.subplots(1, 2)
    draw_residuals(left, calibration, along=True, bar=False)
    draw_residuals(right, calibration, along=False)


def _response_figure(figure: "Figure", calibration: Calibration) -> None:
    draw_response(figure.add_subplot(), calibration)


def _dark_figure(figure: "Figure", calibration: Calibration) -> None:
    draw_dark(figure.add_subplot(), calibration)


def _flat_figure(figure: "Figure", calibration: Calibration) -> None:
    draw_flat(figure.add_subplot(), calibration)


def _save(draw: Draw, calibration: Calibration, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(9, 6), dpi=130, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        draw(figure, calibration)
        canvas.print_figure(str(path), format="png")
