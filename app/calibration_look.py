"""How pictures of a calibration look: colours, type, axes. For matplotlib, never through pyplot."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

INK, QUIET, RULE = "#1f2933", "#7b8794", "#d5dae0"
BLUE, RED, GREEN, AMBER = "#2a6f97", "#c1443c", "#3a7d44", "#c98a1b"


@contextmanager
def styled() -> Iterator[None]:
    """The look of every picture and of the report."""
    import matplotlib as mpl

    with mpl.rc_context(
        {
            "font.family": "DejaVu Sans",
            "font.size": 8.5,
            "axes.edgecolor": QUIET,
            "axes.labelcolor": INK,
            "axes.linewidth": 0.6,
            "axes.titlesize": 9.5,
            "axes.titlelocation": "left",
            "axes.titlecolor": INK,
            "axes.grid": False,
            "xtick.color": INK,
            "ytick.color": INK,
            "xtick.major.width": 0.6,
            "ytick.major.width": 0.6,
            "grid.color": RULE,
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "image.interpolation": "nearest",
            "pdf.fonttype": 42,
        }
    ):
        yield


def pixel_axes(axes: "Axes") -> None:
    """A picture, in pixels of the frame."""
    axes.set_xlabel("column")
    axes.set_ylabel("row")


def open_axes(axes: "Axes") -> None:
    """A plot, with a quiet grid and no frame."""
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def colour_bar(axes: "Axes", image: "AxesImage", unit: str) -> None:
    """The scale of a picture, as high as it, to its right."""
    bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.03, 0.0, 0.035, 1.0)))
    bar.set_label(unit)
    bar.outline.set_linewidth(0.6)
