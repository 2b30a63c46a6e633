"""What a network that takes raw frames is told of bench, light and screen: each only where it changed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from livecassi.calibration import Calibration
from livecassi.drivers import Frame
from livecassi.engines.frame_engine import Colours, Wanted
from livecassi.engines.networks.device_network import DeviceNetwork
from livecassi.engines.networks.inputs import LOOK_SIDE, Brightness, peak_of
from livecassi.engines.runtimes.device.frame_inputs import correction_inputs, pick_weights

Picks = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Light:
    """How pixels become a measurement: all frames of a pass have it in common."""

    bit_depth: int
    pedestal: float


class FrameSettings:
    """The settings of a network for one bench; `columns` of a frame are read. `brightness`, see `Brightness`."""

    def __init__(self, calibration: Calibration, colours: Colours, columns: int, brightness: float | None) -> None:
        self._calibration, self._columns = calibration, columns
        self._matrix = colours.matrix(calibration.wavelengths_nm)
        self._brightness = Brightness(calibration, brightness)
        self._light: Light | None = None
        self._look: Callable[[Frame], tuple[float, float]] = lambda _: (0.0, 0.0)

    def forget_brightness(self) -> None:
        """The next frame is as bright as it is, whatever those before were."""
        self._brightness.forget()

    def tell(self, device: DeviceNetwork, frame: Frame, light: Light, wanted: Wanted) -> Picks:
        """Tell the device what holds for a pass whose newest frame this is; gives the picks whose spectra it makes."""
        if light != self._light:
            self._look, self._light = self._look_in(light), light
        self._brightness.choose_by(*self._look(frame))
        to_network = self._brightness.to_network
        device.tell_all(
            ("gain", "offset"),
            (light, to_network),
            lambda: correction_inputs(self._calibration, light.bit_depth, light.pedestal, to_network, self._columns),
        )
        device.tell("added", None, lambda: np.zeros(device.shapes["added"], np.float32))
        device.tell("band_gain", to_network, lambda: self._brightness.from_network.reshape(-1))
        white = wanted.white_level
        device.tell("colour", white, lambda: (self._matrix / white).astype(np.float32))
        return self._tell_picks(device, wanted)

    def _tell_picks(self, device: DeviceNetwork, wanted: Wanted) -> Picks:
        _, height, width = self._calibration.cube_shape
        most = device.shapes["pick_weights"][0]
        inside = [(row, column) for row, column in wanted.picks if 0 <= row < height and 0 <= column < width]
        picks = tuple(dict.fromkeys(inside))[:most]
        device.tell(
            "pick_weights",
            (picks, wanted.pick_size),
            lambda: pick_weights(picks, wanted.pick_size, (height, width), most),
        )
        return picks

    def _look_in(self, light: Light) -> Callable[[Frame], tuple[float, float]]:
        """What tells mean and peak of the measurement that a frame will be."""
        rows, columns = (slice(None, None, max(1, side // LOOK_SIDE)) for side in self._calibration.measurement_shape)
        scale = correction_inputs(self._calibration, light.bit_depth, light.pedestal)
        gain, offset = (np.ascontiguousarray(scale[name][rows, columns]) for name in ("gain", "offset"))

        def look(frame: Frame) -> tuple[float, float]:
            measured = frame.pixels[rows, columns] * gain + offset
            return float(measured.mean(dtype=np.float64)), peak_of(measured)

        return look
