"""The middle of the window: picture, band slider, spectra and pins of one result, and the newest raw frame."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from livecassi.app.levels import INTERVAL_S, Levels
from livecassi.app.picks import MOST_PICKS, Picks, mean_spectrum
from livecassi.app.pictures import Picture, PictureMaker, View, saturated_pixels
from livecassi.app.result import Result
from livecassi.app.windows.band_bar import BandBar
from livecassi.app.windows.image_view import ImageView
from livecassi.app.windows.level_bar import LevelBar
from livecassi.app.windows.pin_panel import PinPanel
from livecassi.app.windows.spectrum_plot import SpectrumPlot
from livecassi.app.windows.theme import as_panel, dim_label
from livecassi.app.windows.view_bar import ViewBar
from livecassi.app.wording import correction_text
from livecassi.calibration import Calibration
from livecassi.drivers import Frame
from livecassi.engines import Cube
from livecassi.engines.frame_engine import Seen, Wanted


class Screen(QSplitter):
    """Shows the newest result in the chosen view. What an operator changes is shown at once, also while paused.

    The raw view and what is said about saturation are of the newest frame, which may be ahead of the result. All that
    is of the scene, the marks on it too, belongs to the result.
    """

    told = Signal(str)

    def __init__(self, calibration: Calibration, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._clock_ns = clock_ns
        self._cube_ns = 0  # when the cube came
        self.bar, self.levels, self.image, self.pins = ViewBar(), LevelBar(), ImageView(), PinPanel()
        self.bands, self.plot = BandBar(calibration.wavelengths_nm), SpectrumPlot(calibration.wavelengths_nm)
        self.picks = Picks()
        self.view = View.COLOUR
        self.picture: Picture | None = None
        self._readout = dim_label()
        self._readout.setMinimumWidth(60)
        self._result: Result | None = None
        self._frame: Frame | None = None
        self._hover: tuple[int, int] | None = None
        self._overlay = True
        self._lay_out()
        self._connect()
        self.set_calibration(calibration)

    def _lay_out(self) -> None:
        middle, right = QWidget(), QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(6, 10, 6, 8)
        column.setSpacing(8)
        column.addWidget(self.bar)
        column.addWidget(self.image, 1)
        below = QHBoxLayout()
        below.addWidget(self._readout, 1)
        below.addWidget(self.levels)
        column.addLayout(below)
        column.addWidget(self.bands)
        as_panel(right)
        side = QVBoxLayout(right)
        side.setContentsMargins(0, 8, 0, 0)
        side.setSpacing(0)
        side.addWidget(self.plot, 3)
        side.addWidget(self.pins, 2)
        holder = QWidget()
        around = QVBoxLayout(holder)
        around.setContentsMargins(0, 10, 10, 10)
        around.addWidget(right)
        self.addWidget(middle)
        self.addWidget(holder)
        self.setStretchFactor(0, 1)
        self.setChildrenCollapsible(False)
        self.setHandleWidth(8)
        self.setSizes([760, 400])

    def _connect(self) -> None:
        self.bar.view_chosen.connect(lambda text: self.choose_view(View(text)))
        self.levels.auto_levels.connect(self._use_auto_levels)
        self.levels.fixed_levels.connect(self._fix_levels)
        self.bar.overlay_toggled.connect(self._show_overlay)
        self.bands.band_chosen.connect(self._on_band)
        self.plot.band_chosen.connect(self.bands.choose)
        self.image.clicked.connect(self.add_pin)
        self.image.hovered.connect(self._on_hover)
        self.image.left.connect(self._on_left)
        self.image.pin_moved.connect(self._move_pin)
        self.image.pin_removed.connect(self.remove_pin)
        self.pins.removed.connect(self.remove_pin)
        self.pins.cleared.connect(self.clear_pins)
        self.pins.window_chosen.connect(lambda _size: self.refresh())

    # ---- what is shown -------------------------------------------------------------------------------------------

    def set_calibration(self, calibration: Calibration) -> None:
        """Another source: nothing of the old one stays but the pins that lie in the new scene."""
        self._maker = PictureMaker(calibration)
        self._result = self._frame = self.picture = None
        self._hover = None
        self._wavelengths_nm = calibration.wavelengths_nm
        self._header = calibration.header
        self.bands.blockSignals(True)
        self.bands.set_wavelengths(calibration.wavelengths_nm)
        self.bands.blockSignals(False)
        self.plot.set_wavelengths(calibration.wavelengths_nm)
        self.plot.show_band(self.bands.band)
        self.picks.keep_inside(*calibration.cube_shape[1:])
        self.image.clear()
        self.image.show_saturation(None)
        self.bar.show_saturation(None)
        self.bar.show_correction("", "")
        self._update_pins()

    @property
    def result(self) -> Result | None:
        """What is on the screen."""
        return self._result

    @property
    def seen(self) -> Frame | Cube | Seen | None:
        """What the picture shows: a raw frame, a cube, or what the engine saw by itself."""
        if self._shown_view() is View.RAW or self._result is None:
            return self._frame
        seen = self._result.seen
        by_engine = seen is not None and self.picture is not None and self.picture.pixels is seen.picture
        return seen if by_engine else self._result.cube

    @property
    def wanted(self) -> Wanted:
        """What the screen needs of the frames to come.

        Cubes where every one of them is read, by the band view or the pointer; else five a second, for the levels, and
        so that whatever is asked for next is not of long ago.
        """
        reads = self.view in (View.BAND, View.SPREAD) or self._hover is not None
        old = self._result is None or self._clock_ns() - self._cube_ns >= INTERVAL_S * 1e9
        return Wanted(
            reads or old,
            self._maker.white_level,
            tuple((pick.row, pick.column) for pick in self.picks),
            self.pins.window_size,
        )

    @property
    def frame(self) -> Frame | None:
        """The newest frame, of which the raw view is."""
        return self._frame

    def show_result(self, result: Result, newest: Frame | None = None) -> None:
        """Put a result on the screen, and a frame that is ahead of it; called by the window's timer."""
        if self._result is None or result.cube is not self._result.cube:
            self._cube_ns = self._clock_ns()
        self._result, self._frame = result, newest or result.frame
        self.refresh()

    def show_frame(self, frame: Frame) -> None:
        """Put a newer frame on the screen while the result stays."""
        if self._result is None:
            return
        self._frame = frame
        self.bar.show_saturation(frame.saturated_fraction())
        if self._shown_view() is View.RAW:
            self._draw(self._result, frame)
            self._readout.setText(self._readout_text(self._result))

    def refresh(self) -> None:
        """Draw what is on the screen again, as it is to be seen now."""
        if self._result is None or self._frame is None:
            return
        self._draw(self._result, self._frame)
        self.bar.show_correction(*correction_text(self._result.flags, self._result.frame, self._header))
        self.bar.show_saturation(self._frame.saturated_fraction())
        self._show_spectra(self._result)

    def _draw(self, result: Result, frame: Frame) -> None:
        shown = self._shown_view()
        was_scene = self.picture is not None and self.picture.is_scene
        self.picture = self._maker.make(frame, result.cube, shown, self.bands.band, result.seen)
        self.image.show_picture(self.picture)
        under = frame if shown is View.RAW else result.frame  # marks belong to what they lie on
        marked = saturated_pixels(under, self._maker.calibration, shown, self.bands.band) if self._overlay else None
        self.image.show_saturation(marked)
        self.bar.offer_spread(result.cube is not None and result.cube.spread is not None)
        self.bar.show_view(shown, self._maker.colour_label if shown is View.COLOUR else "")
        self.levels.show_levels(shown, self.picture.levels, shown in self._maker.fixed)
        if self.picture.is_scene != was_scene:
            self.image.show_pins(self.picks, self.picture.is_scene)

    def _show_spectra(self, result: Result) -> None:
        self._readout.setText(self._readout_text(result))
        if result.cube is None or self.picture is None:
            self.plot.show_spectra({}, None)
            return
        values, size, seen = result.cube.values, self.pins.window_size, result.seen
        known = seen.spectra if seen is not None and seen.pick_size == size else {}
        spectra = {
            pick.number: known[place]
            if (place := (pick.row, pick.column)) in known
            else mean_spectrum(values, *place, size)
            for pick in self.picks
        }
        hover = None
        if self._hover is not None and self.picture.is_scene:
            hover = mean_spectrum(values, *self._hover)
        self.plot.show_spectra(spectra, hover)
        self.pins.show_values({number: float(spectrum[self.bands.band]) for number, spectrum in spectra.items()})

    @property
    def readout(self) -> str:
        """What is said about the pixel under the pointer."""
        return self._readout.text()

    def _readout_text(self, result: Result) -> str:
        if self._hover is None or self.picture is None or self._frame is None:
            return "Point at the picture to read a pixel, click to pin it"
        row, column = self._hover
        parts = [f"row {row}, column {column}"]
        raw_view = self._shown_view() is View.RAW
        frame = self._frame if raw_view else result.frame
        together = result.has_cube_of(frame)
        if result.cube is not None and self.picture.is_scene and (together or not raw_view):
            cube, band = result.cube, self.bands.band
            unsure = "" if cube.spread is None else f" ± {cube.spread[band, row, column]:.4f}"
            parts.append(f"{cube.values[band, row, column]:.4f}{unsure} at {self.bands.text}")
            if cube.spread is not None and self._shown_view() is View.SPREAD:
                parts.append(f"± {cube.spread[:, row, column].mean():.4f} over all bands")
        on_raw_grid = self.picture.pixels.shape[:2] == frame.shape
        if on_raw_grid and (together or raw_view):  # a late cube does not stand beside a newer frame
            raw: NDArray[np.generic] = frame.pixels
            parts.append(f"raw {raw[row, column]:g}" + (" DN" if frame.bit_depth else ""))
        return "   ·   ".join(parts)

    # ---- what an operator chooses --------------------------------------------------------------------------------

    def choose_view(self, view: View) -> None:
        """Look at colour, a band, the spread or the raw frame."""
        self.view = view
        self._hover = None
        self.bar.show_view(view, "")
        self.refresh()

    def step_band(self, steps: int) -> None:
        """Go to a neighbouring band."""
        self.bands.choose(self.bands.band + steps)

    def _on_band(self, band: int) -> None:
        self.plot.show_band(band)
        if self.view is View.BAND:
            self.refresh()
        else:
            self.choose_view(View.BAND)

    def _use_auto_levels(self) -> None:
        self._maker.fixed.pop(self._shown_view(), None)
        self.refresh()

    def _fix_levels(self, low: float, high: float) -> None:
        self._maker.fixed[self._shown_view()] = Levels(low, high)
        self.refresh()

    def _shown_view(self) -> View:
        if self._result is None:
            return self.view
        cube = self._result.cube
        if cube is None:
            return View.RAW
        return View.COLOUR if self.view is View.SPREAD and cube.spread is None else self.view

    def _show_overlay(self, wanted: bool) -> None:
        self._overlay = wanted
        self.refresh()

    # ---- pins ----------------------------------------------------------------------------------------------------

    def add_pin(self, row: int, column: int) -> None:
        """Pin a pixel of the scene."""
        if self.picture is None or not self.picture.is_scene:
            self.told.emit("Pins belong to the scene: look at colour or a band to set one")
        elif self.picks.add(row, column) is None:
            self.told.emit(f"All {MOST_PICKS} pins are set: remove one first")
        self._update_pins()

    def _move_pin(self, number: int, row: int, column: int) -> None:
        self.picks.move(number, row, column)
        self.pins.show_picks(self.picks)
        self.refresh()

    def remove_pin(self, number: int) -> None:
        """Remove one pin."""
        self.picks.remove(number)
        self._update_pins()

    def clear_pins(self) -> None:
        """Remove all pins."""
        self.picks.clear()
        self._update_pins()

    def _update_pins(self) -> None:
        self.image.show_pins(self.picks, self.picture is not None and self.picture.is_scene)
        self.pins.show_picks(self.picks)
        self.refresh()

    # ---- the pointer ---------------------------------------------------------------------------------------------

    def _on_hover(self, row: int, column: int) -> None:
        self._hover = (row, column)
        if self._result is not None:
            self._show_spectra(self._result)

    def _on_left(self) -> None:
        if self._hover is not None:
            self._hover = None
            if self._result is not None:
                self._show_spectra(self._result)
