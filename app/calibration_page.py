"""One A4 page of a report: text, tables and pictures from the top down, in millimetres."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from livecassi.app.calibration_look import INK, QUIET, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_MM, HEIGHT_MM = 210.0, 297.0
LEFT_MM, RIGHT_MM, TOP_MM, BOTTOM_MM = 22.0, 20.0, 22.0, 20.0
COLUMN_MM = WIDTH_MM - LEFT_MM - RIGHT_MM
LINE_MM = 4.6  # of usual text
MM_PER_INCH = 25.4


class Page:
    """A figure of A4 size with a cursor `y_mm` that moves down from the top."""

    def __init__(self, title: str, footer: str) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.figure: Figure = Figure(figsize=(WIDTH_MM / MM_PER_INCH, HEIGHT_MM / MM_PER_INCH))
        FigureCanvasAgg(self.figure)
        self.y_mm = TOP_MM
        self.text(title, size=17, weight="bold")
        self.skip(5.5)
        self.rule()
        self._footer(footer)

    @property
    def left_mm(self) -> float:
        """Room down to the footer."""
        return HEIGHT_MM - BOTTOM_MM - self.y_mm

    def skip(self, height_mm: float) -> None:
        """Move down."""
        self.y_mm += height_mm

    def text(
        self,
        words: str,
        x_mm: float = 0.0,
        *,
        size: float = 9.0,
        colour: str = INK,
        weight: str = "normal",
        align: str = "left",
    ) -> None:
        """One line at the cursor, which stays; `x_mm` from the left margin."""
        self.figure.text(
            (LEFT_MM + x_mm) / WIDTH_MM,
            1 - self.y_mm / HEIGHT_MM,
            words,
            size=size,
            color=colour,
            weight=weight,
            ha=align,
            va="baseline",
            parse_math=False,
        )

    def heading(self, words: str) -> None:
        """The name of what follows."""
        self.skip(8.0)
        self.text(words, size=11.5, weight="bold")
        self.skip(LINE_MM + 1.4)

    def paragraph(self, words: str, x_mm: float = 0.0, *, colour: str = INK, size: float = 9.0) -> None:
        """Wrapped to the width that is left of the page; the cursor moves below it."""
        per_line = max(20, int((COLUMN_MM - x_mm) / (0.205 * size)))
        for line in textwrap.wrap(words, per_line) or [""]:
            self.text(line, x_mm, size=size, colour=colour)
            self.skip(LINE_MM * size / 9.0)

    def rule(self) -> None:
        """A thin line across the column."""
        from matplotlib.lines import Line2D

        y = 1 - (self.y_mm - 1.5) / HEIGHT_MM
        ends = [LEFT_MM / WIDTH_MM, 1 - RIGHT_MM / WIDTH_MM]
        self.figure.add_artist(Line2D(ends, [y, y], color=RULE, lw=0.7))
        self.skip(3.0)

    def pairs(self, rows: Sequence[tuple[str, str]], indent_mm: float = 30.0) -> None:
        """Names in grey, values beside them."""
        for name, value in rows:
            self.text(name, colour=QUIET)
            self.paragraph(value, indent_mm)

    def table(self, heading: Sequence[str], rows: Sequence[Sequence[str]], stops_mm: Sequence[float]) -> None:
        """Columns that begin at `stops_mm`; names in grey above."""
        for words, stop in zip(heading, stops_mm, strict=True):
            self.text(words, stop, size=7.5, colour=QUIET)
        self.skip(LINE_MM)
        for row in rows:
            for words, stop in zip(row, stops_mm, strict=True):
                self.text(words, stop, size=8.0)
            self.skip(LINE_MM - 0.4)

    def dot(self, colour: str, x_mm: float = 1.2) -> None:
        """A mark in the colour of a verdict, at the cursor."""
        from matplotlib.patches import Ellipse

        self.figure.add_artist(
            Ellipse(
                ((LEFT_MM + x_mm) / WIDTH_MM, 1 - (self.y_mm - 1.1) / HEIGHT_MM),
                2.5 / WIDTH_MM,
                2.5 / HEIGHT_MM,
                color=colour,
                lw=0,
            )
        )

    def axes(self, height_mm: float, left_mm: float = 0.0, width_mm: float = COLUMN_MM) -> "Axes":
        """Axes whose frame fills this box below the cursor, which stays; labels need room around it."""
        bottom = 1 - (self.y_mm + height_mm) / HEIGHT_MM
        return self.figure.add_axes(
            ((LEFT_MM + left_mm) / WIDTH_MM, bottom, width_mm / WIDTH_MM, height_mm / HEIGHT_MM)
        )

    def picture_axes(
        self, shape: tuple[int, int], height_mm: float, left_mm: float = 0.0, width_mm: float = COLUMN_MM
    ) -> "Axes":
        """Axes for a picture of this shape (rows, columns), as large as the box allows; the cursor moves below it."""
        rows, columns = shape
        scale = min(height_mm / rows, width_mm / columns)
        axes = self.axes(scale * rows, left_mm, scale * columns)
        self.skip(scale * rows)
        return axes

    def _footer(self, words: str) -> None:
        at = 10.0 / HEIGHT_MM
        self.figure.text(LEFT_MM / WIDTH_MM, at, words, size=7.0, color=QUIET, parse_math=False)
