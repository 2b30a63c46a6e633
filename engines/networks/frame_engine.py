"""A video network that takes raw frames: correction, network, picture and spectra in one pass on a device."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from livecassi.calibration import Calibration, Measurement
from livecassi.drivers import Frame
from livecassi.engines.cube import Cube
from livecassi.engines.errors import EngineError, EngineMismatchError
from livecassi.engines.frame_engine import Colours, Made, Seen, Wanted
from livecassi.engines.networks.device_network import DeviceNetwork, LoadedNetwork
from livecassi.engines.networks.device_passes import DevicePasses
from livecassi.engines.networks.engine import VideoEngine, VideoSettings
from livecassi.engines.networks.frame_settings import FrameSettings, Light, Picks
from livecassi.engines.networks.inputs import measured_columns
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.networks.sliding_window import Frames, Output, SlidingWindow
from livecassi.engines.runtimes.contract import AnyArray
from livecassi.engines.runtimes.device.pipeline import LANES, Ticket


@dataclass(frozen=True, slots=True)
class _Shot:
    frame: Frame
    light: Light

    @property
    def frame_index(self) -> int:
        return self.frame.index


@dataclass(eq=False, slots=True)
class _Pass:
    """A pass over the window, and what it gave for `frames` once that was taken."""

    ticket: Ticket
    frames: Sequence[Frame]
    wanted: Wanted
    picks: Picks
    made: list[Made] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Due:
    """What a pass makes of one of its frames."""

    of: _Pass
    number: int


class FrameVideoEngine:
    """See `FrameEngine`; which frames are neighbours and what comes when is as in `VideoEngine`.

    `network` belongs to the engine, which closes it. `weights` is what is said of where they are from.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        network: LoadedNetwork,
        calibration: Calibration,
        settings: VideoSettings,
        weights: str,
        colours: Colours,
    ) -> None:
        self._calibration = calibration
        columns = measured_columns(calibration, spec)
        self._settings = FrameSettings(calibration, colours, columns, settings.brightness)
        self._alone = settings.frames is Frames.STILLS
        at_once = 1 if self._alone else settings.hop + (settings.output is Output.CENTRE)
        with network.ops:
            self._device = DeviceNetwork(network, min(at_once, spec.frames))
        self._on_device: DeviceNetwork | None = self._device  # None once the engine was left
        self._measured = VideoEngine(spec, DevicePasses(self._device), calibration, settings, weights)
        self.info = self._measured.info
        self._window = SlidingWindow[_Shot, _Due](
            self._start, spec.frames, settings.hop, settings.output, frames=settings.frames
        )
        self._under_way: deque[_Pass] = deque()  # oldest first
        self._due: deque[_Due] = deque()  # what was not given yet
        self._light: Light | None = None  # of the frames in the window
        self._wanted = Wanted()

    # ---- raw frames --------------------------------------------------------------------------------------------------

    def want(self, wanted: Wanted) -> None:
        """See `FrameEngine`."""
        self._wanted = wanted

    def reconstruct_frame(self, frame: Frame, pedestal: float = 0.0, more: bool = False) -> list[Made]:
        """See `FrameEngine`. Raises `EngineError` where the network gives no numbers."""
        shot = self._checked(frame, pedestal)
        with self._working():
            self._shine(shot.light)
            if (due := self._window.take(shot)) is not None:
                self._due.append(due)
            return self._given(leaving=1 if more else 0)

    def observe_frame(self, frame: Frame, pedestal: float = 0.0) -> None:
        """See `FrameEngine`."""
        shot = self._checked(frame, pedestal)
        with self._working():
            self._shine(shot.light)
            self._window.observe(shot)

    def flush_frames(self) -> list[Made]:
        """See `FrameEngine`."""
        with self._working():
            self._due.extend(self._window.flush())
            made = self._given(leaving=0)
        self._forget_frames()
        return made

    # ---- measurements ------------------------------------------------------------------------------------------------

    def reconstruct(self, measurement: Measurement) -> Cube | None:
        """See `VideoEngine`."""
        self._take_all()
        return self._measured.reconstruct(measurement)

    def observe(self, measurement: Measurement) -> None:
        """See `VideoEngine`."""
        self._take_all()
        self._measured.observe(measurement)

    def flush(self) -> list[Cube]:
        """See `VideoEngine`."""
        self._take_all()
        return self._measured.flush()

    def reset(self) -> None:
        """Forget frames and measurements, and what is owed to them."""
        self._measured.reset()
        self._forget_frames()

    def _take_all(self) -> None:
        """Let no pass of raw frames be under way."""
        if self._under_way:
            with self._working():
                while self._under_way:
                    self._take_oldest()

    # ---- a pass ------------------------------------------------------------------------------------------------------

    def _checked(self, frame: Frame, pedestal: float) -> _Shot:
        expected = self._calibration.measurement_shape
        if frame.shape != expected or not frame.bit_depth:
            raise EngineMismatchError(
                f"'{self.info.name}' takes raw frames of {expected[0]} x {expected[1]} pixels on this bench, frame "
                f"{frame.index} has {frame.shape[0]} x {frame.shape[1]} of {frame.pixels.dtype}; choose the "
                "calibration of this camera and region, or reconstruct it as a measurement"
            )
        return _Shot(frame, Light(frame.bit_depth, pedestal))

    def _shine(self, light: Light) -> None:
        """Where frames come with other bits or another pedestal, a new sequence begins."""
        if light != self._light:
            self._due.extend(self._window.flush())
            self._light = light

    def _start(self, shots: Sequence[_Shot], places: Sequence[int]) -> list[Callable[[], _Due]]:
        """Put a pass over these frames under way."""
        while len(self._under_way) >= LANES:
            self._take_oldest()
        if self._alone:
            self._settings.forget_brightness()
        wanted, device = self._wanted, self._device
        picks = self._settings.tell(device, shots[-1].frame, shots[-1].light, wanted)
        device.show([shot.frame for shot in shots])
        ticket = device.start(wanted.cubes, places)
        started = _Pass(ticket, [shots[place].frame for place in places], wanted, picks)
        self._under_way.append(started)
        return [partial(_Due, started, number) for number in range(len(places))]

    def _given(self, leaving: int) -> list[Made]:
        """What is due and done, oldest first; all but the newest `leaving` passes are waited for."""
        made = []
        while self._due:
            due = self._due[0]
            while not due.of.made and len(self._under_way) > leaving:
                self._take_oldest()
            if not due.of.made:
                break
            made.append(due.of.made[due.number])
            self._due.popleft()
        return made

    def _take_oldest(self) -> None:
        done = self._under_way.popleft()
        result = self._device.result(done.ticket)
        done.made = [self._made(done, result, number) for number in range(len(done.frames))]

    def _made(self, done: _Pass, result: dict[str, AnyArray], number: int) -> Made:
        frame, wanted, calibration = done.frames[number], done.wanted, self._calibration
        spectra = result["spectra"][number].copy()
        seen = Seen(
            result["pictures"][number].copy(),
            wanted.white_level,
            dict(zip(done.picks, spectra, strict=False)),
            wanted.pick_size,
            frame.index,
            frame.host_time_ns,
        )
        if not wanted.cubes:
            return Made(None, seen)
        values = result["cubes"][number].copy()
        name = self.info.name
        return Made(
            Cube(values, calibration.wavelengths_nm, calibration.id, name, frame.index, frame.host_time_ns), seen
        )

    # ---- the end -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _working(self) -> Iterator[None]:
        """On the device; after a failure everything is forgotten."""
        if self._on_device is None:
            raise EngineError(f"this '{self.info.name}' engine was left and gave back its memory; build it again")
        with self._on_device.network.ops:
            try:
                yield
            except BaseException:
                self._forget_frames()
                raise

    def _forget_frames(self) -> None:
        self._window.reset()
        self._under_way.clear()
        self._due.clear()
        self._light = None
        self._settings.forget_brightness()
        if self._on_device is not None:
            self._on_device.reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._measured.__exit__(kind, error, trace)
        self._forget_frames()
        device, self._on_device = self._on_device, None
        if device is not None:
            device.close()
