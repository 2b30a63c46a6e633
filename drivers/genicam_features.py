"""Camera features under the names that vendors give them (SFNC and older): read, set, and why not."""

import math
from typing import Any

from livecassi.drivers.errors import SourceUnsupportedError
from livecassi.drivers.producers import vendor_errors

# The raw variants are in the vendor's own scale, handed through as they are.
EXPOSURE = ("ExposureTime", "ExposureTimeAbs", "ExposureTimeRaw")
GAIN = ("Gain", "GainAbs", "GainRaw")
FRAME_RATE = ("AcquisitionFrameRate", "AcquisitionFrameRateAbs")
TEMPERATURE = ("DeviceTemperature",)
_FRAME_RATE_ENABLE = ("AcquisitionFrameRateEnable", "AcquisitionFrameRateEnabled")
_AUTOMATICS = {EXPOSURE: "ExposureAuto", GAIN: "GainAuto", FRAME_RATE: "AcquisitionFrameRateAuto"}

UNPACKED_MONO = {"Mono16": 16, "Mono14": 14, "Mono12": 12, "Mono10": 10, "Mono8": 8}  # deepest first


class Features:
    """The node map of one camera, asked by meaning instead of by name."""

    def __init__(self, node_map: Any, camera: str) -> None:
        self._nodes = node_map
        self._camera = camera

    def number(self, names: tuple[str, ...]) -> float | None:
        """The value of the first feature present; None where the camera has none or does not tell."""
        node = self._first(names)
        if node is None:
            return None
        try:
            with vendor_errors(self._camera):
                return float(node.value)
        except SourceUnsupportedError:
            return None

    def span(self, names: tuple[str, ...]) -> tuple[float, float] | None:
        """Smallest and largest value allowed now; None where the camera has no such feature."""
        node = self._first(names)
        if node is None:
            return None
        try:
            with vendor_errors(self._camera):
                return float(node.min), float(node.max)
        except SourceUnsupportedError:
            return None

    def set_number(self, names: tuple[str, ...], value: float, unit: str) -> None:
        """Set the first feature present; automatic control of it is switched off first.

        Raises `SourceUnsupportedError` where there is none, or with the limits where the camera refuses.
        """
        node = self._first(names)
        if node is None:
            raise SourceUnsupportedError(f"{self._camera} has no feature {' or '.join(names)}; leave it as it is")
        if not math.isfinite(value):
            raise SourceUnsupportedError(f"{names[0]} of {value} {unit} was asked for, expected a finite number")
        if names is FRAME_RATE:
            for enable in _FRAME_RATE_ENABLE:
                self.set_if_present(enable, True)
        self.set_if_present(_AUTOMATICS[names], "Off")
        limits = self.span(names)
        allowed = f"; it allows {limits[0]:g}..{limits[1]:g} {unit} now" if limits else ""
        with vendor_errors(f"{self._camera} refuses {value:g} {unit} for {names[0]}{allowed}"):
            node.value = round(value) if isinstance(node.value, int) else float(value)

    def set_if_present(self, name: str, value: object) -> None:
        """Set a feature that some cameras have; one that is absent, locked or lacks the value stays as it is."""
        node = getattr(self._nodes, name, None)
        if node is None:
            return
        try:
            with vendor_errors(self._camera):
                if node.value != value:
                    node.value = value
        except SourceUnsupportedError:
            return

    def choose_pixel_format(self, wanted: str | None = None) -> tuple[str, int]:
        """Set `wanted`, else the deepest unpacked grey format, and return its name and bits per pixel.

        Raises `SourceUnsupportedError` for packed and colour formats: unpacking 2048 x 2048 pixels takes 15-30 ms
        per frame, and Mono10Packed is read wrongly.
        """
        node = getattr(self._nodes, "PixelFormat", None)
        if node is None:
            raise SourceUnsupportedError(f"{self._camera} has no feature PixelFormat; it cannot be used")
        with vendor_errors(f"pixel format of {self._camera}"):
            offered = list(node.symbolics)
        usable = [name for name in UNPACKED_MONO if name in offered]
        if (wanted is not None and wanted not in usable) or not usable:
            raise SourceUnsupportedError(
                f"{self._camera} offers {', '.join(offered)}"
                + (f", asked for is {wanted}" if wanted else "")
                + f"; expected an unpacked grey format ({', '.join(usable or UNPACKED_MONO)}): choose one of these"
                + ("" if usable else " in the camera's own software, or another camera")
            )
        name = wanted or usable[0]
        with vendor_errors(f"{self._camera} refuses the pixel format {name}"):
            if node.value != name:
                node.value = name
        return name, self._depth(name)

    def _depth(self, pixel_format: str) -> int:
        """Bits of the format, or fewer where the camera tells that its largest value is smaller."""
        bits = UNPACKED_MONO[pixel_format]
        largest = self.number(("PixelDynamicRangeMax",))
        if bits == 16 and largest and 255 <= largest < 65535:
            return int(largest).bit_length()
        return bits

    def image_size(self) -> tuple[int, int]:
        """Rows and columns."""
        with vendor_errors(f"image size of {self._camera}"):
            return int(self._nodes.Height.value), int(self._nodes.Width.value)

    def region(self) -> tuple[int, int, int, int] | None:
        """Row, column, height and width of the region that is read; None where the camera tells no offsets."""
        row, column = self.number(("OffsetY",)), self.number(("OffsetX",))
        return None if row is None or column is None else (int(row), int(column), *self.image_size())

    def flip(self, name: str) -> bool | None:
        """Whether ReverseX or ReverseY is set; None where the camera has none or does not tell."""
        value = self.number((name,))
        return None if value is None else bool(value)

    def binning(self) -> tuple[int, int] | None:
        """Sensor pixels per pixel, down and across; None where the camera has no such features."""
        down, across = self.number(("BinningVertical",)), self.number(("BinningHorizontal",))
        return None if down is None or across is None else (int(down), int(across))

    def touch(self) -> None:
        """Ask the device itself for a register, past all caches; what the binding raises passes."""
        width = self._nodes.Width
        if hasattr(width, "node"):
            width.node.invalidate_node()
        _ = width.value

    def _first(self, names: tuple[str, ...]) -> Any:
        return next((node for name in names if (node := getattr(self._nodes, name, None)) is not None), None)
