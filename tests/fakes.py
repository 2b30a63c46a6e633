"""Hand-written fakes that several tests share: a source, an engine and a small calibration."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np

from livecassi.calibration import (
    Calibration,
    CalibrationHeader,
    Corrector,
    Measurement,
    SubSteps,
    System,
    sensing_model,
)
from livecassi.drivers import Frame, SourceInfo, SourceLostError, SourceSettings, StopSignal
from livecassi.engines import Cube, EngineInfo
from livecassi.engines.frame_engine import Made, Seen, Wanted

HEIGHT, WIDTH, BANDS = 24, 20, 5


def small_calibration(system: System = System.SD_CASSI, *, dark: bool = False) -> Calibration:
    """Five bands, two columns a band, a random grey mask."""
    mask_width = WIDTH if system.single_disperser else WIDTH + 2 * (BANDS - 1)
    mask = np.random.default_rng(3).random((HEIGHT, mask_width), dtype=np.float32)
    header = CalibrationHeader(system=system, name="small", bit_depth=12 if dark else None)
    shape = (HEIGHT, WIDTH + (2 * (BANDS - 1) if system.single_disperser else 0))
    return Calibration(
        header,
        np.linspace(450, 650, BANDS, dtype=np.float32),
        mask,
        np.arange(BANDS, dtype=np.float32) * 2,
        np.ones(BANDS, np.float32),
        dark=np.full(shape, 64, np.float32) if dark else None,
    )


def random_bench(
    system: System, sub_steps: SubSteps, shifts: list[float], *, height: int, width: int, seed: int
) -> Calibration:
    """A random grey mask and response; one band per shift, which may be fractional."""
    random = np.random.default_rng(seed)
    wide = width if system.single_disperser else width + int(np.ceil(max(shifts)))
    return Calibration(
        CalibrationHeader(system=system, sub_steps=sub_steps),
        np.linspace(450, 650, len(shifts), dtype=np.float32),
        random.random((height, wide)).astype(np.float32),
        np.array(shifts, np.float32),
        random.uniform(0.3, 1.0, len(shifts)).astype(np.float32),
    )


class FakeSource:
    """Delivers `count` frames (for ever if None), each filled with its index; gated by a semaphore if `gated`.

    `lose_at` raises `SourceLostError` before that frame; `skip` leaves out these indices.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        count: int | None = None,
        *,
        interval_s: float = 0.001,
        gated: bool = False,
        lose_at: int | None = None,
        skip: frozenset[int] = frozenset(),
        is_file: bool = False,
    ) -> None:
        self.shape, self.count, self.interval_s = shape, count, interval_s
        self.gate = threading.Semaphore(0) if gated else None
        self.lose_at, self.skip = lose_at, skip
        self.settings = SourceSettings(1000.0, 0.0, 100.0)
        self.running = False
        self.info = SourceInfo(
            "replay" if is_file else "fake",
            "fake camera",
            "F-1",
            shape,
            12,
            None if is_file else (10.0, 1e6),
            None if is_file else (0.0, 24.0),
            count if is_file else None,
        )

    def configure(self, settings: SourceSettings) -> SourceSettings:
        wanted = {
            name: value
            for name in ("exposure_us", "gain_db", "frame_rate_hz")
            if (value := getattr(settings, name)) is not None
        }
        self.settings = replace(self.settings, **wanted)
        return self.settings

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        self.running = True
        try:
            index = 0
            while self.count is None or index < self.count:
                if self.gate is not None:
                    while not self.gate.acquire(timeout=0.01):
                        if stop.is_set():
                            return
                elif stop.wait(self.interval_s):
                    return
                if index == self.lose_at:
                    raise SourceLostError("the fake camera was unplugged; plug it in and start again")
                if index not in self.skip:
                    yield self.frame(index)
                index += 1
        finally:
            self.running = False

    def frame(self, index: int) -> Frame:
        """Frame `index` as it is delivered."""
        pixels = np.full(self.shape, index % 4096, np.uint16)
        return Frame(pixels, index, index * 10_000_000, exposure_us=1000.0, bit_depth=12)


class FakeEngine:
    """The adjoint of the sensing model as a 'reconstruction'; fails on frame `fail_at`; remembers its end."""

    def __init__(self, calibration: Calibration, name: str = "fake", fail_at: int | None = None) -> None:
        self.calibration, self.fail_at = calibration, fail_at
        self.info = EngineInfo(name, "numpy", calibration.id)
        self.model = sensing_model(calibration)
        self.entered = self.exited = self.resets = 0
        self.observed: list[int] = []

    def reconstruct(self, measurement: Measurement) -> Cube:
        if measurement.frame_index == self.fail_at:
            raise RuntimeError("the fake engine broke")
        return Cube(
            self.model.adjoint(measurement.values),
            self.calibration.wavelengths_nm,
            self.calibration.id,
            self.info.name,
            measurement.frame_index,
            measurement.host_time_ns,
        )

    def observe(self, measurement: Measurement) -> None:
        self.observed.append(measurement.frame_index)

    def flush(self) -> list[Cube]:
        self.reset()
        return []

    def reset(self) -> None:
        self.resets += 1

    def __enter__(self) -> Self:
        self.entered += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.exited += 1


class FakeWindowEngine(FakeEngine):
    """Looks at three consecutive frames: a pass after every `hop` frames gives the cubes of those, adjoint each.

    `centre`: a frame's cube waits for the frame after it. `passes` keeps which frames each pass saw, `before_pass` is
    called with them and may wait or raise. A gap in the frame indices begins a new window.
    """

    def __init__(
        self,
        calibration: Calibration,
        name: str = "window",
        *,
        hop: int = 1,
        centre: bool = False,
        before_pass: Callable[[list[int]], object] = lambda frames: None,
        fail_at: int | None = None,
    ) -> None:
        super().__init__(calibration, name, fail_at)
        self.centre, self.before_pass = centre, before_pass
        self.info = EngineInfo(name, "numpy", calibration.id, (), 3, hop, hop - 1 + centre)
        self.passes: list[list[int]] = []
        self.calls_made = 0  # calls of `reconstruct` that have returned
        self._begin()

    def _begin(self) -> None:
        self._window: deque[int] = deque(maxlen=self.info.window)
        self._owed: deque[Measurement] = deque()
        self._due: deque[Cube] = deque()
        self._calls = self._new = 0

    def reconstruct(self, measurement: Measurement) -> Cube | None:
        self._see(measurement)
        self._owed.append(measurement)
        self._calls += 1
        self._new += 1
        if self._new == self.info.hop:
            self._pass(keep=self.centre)
        cube = self._due.popleft() if self._calls > self.info.latency else None
        self.calls_made += 1
        return cube

    def observe(self, measurement: Measurement) -> None:
        super().observe(measurement)
        self._see(measurement)

    def flush(self) -> list[Cube]:
        if self._owed:
            self._pass(keep=False)
        cubes = list(self._due)
        self.reset()
        return cubes

    def reset(self) -> None:
        super().reset()
        self._begin()

    def _see(self, measurement: Measurement) -> None:
        if self._window and measurement.frame_index != self._window[-1] + 1:
            if self._owed:
                self._pass(keep=False)
            self._window.clear()
        self._window.append(measurement.frame_index)

    def _pass(self, keep: bool) -> None:
        self.before_pass(list(self._window))
        self.passes.append(list(self._window))
        self._new = 0
        while len(self._owed) > keep:
            cube = super().reconstruct(self._owed.popleft())
            self._due.append(cube)


class FakeFrameEngine(FakeEngine):
    """Takes raw frames: their adjoint as a cube where it is wanted, and a picture and spectra that tell their origin.

    All of a picture is (index, pick_size, 7), and a spectrum is that of the cube plus 100. `taken` keeps each frame
    with what was wanted of it, and `before_pass` is called with its index and may wait. Where more is to come, the
    newest frame is given with the next call.
    """

    def __init__(
        self,
        calibration: Calibration,
        name: str = "frames",
        fail_at: int | None = None,
        before_pass: Callable[[int], object] = lambda index: None,
    ) -> None:
        super().__init__(calibration, name, fail_at)
        self.before_pass = before_pass
        self.wanted = Wanted()
        self.taken: list[tuple[int, Wanted]] = []
        self.pedestals: list[float] = []
        self.measured: list[int] = []
        self._held: list[Made] = []

    def want(self, wanted: Wanted) -> None:
        self.wanted = wanted

    def reconstruct_frame(self, frame: Frame, pedestal: float = 0.0, more: bool = False) -> list[Made]:
        self.before_pass(frame.index)
        self.taken.append((frame.index, self.wanted))
        self.pedestals.append(pedestal)
        self._held.append(self._made(frame, pedestal, self.wanted))
        given = len(self._held) - more
        made, self._held = self._held[:given], self._held[given:]
        return made

    def observe_frame(self, frame: Frame, pedestal: float = 0.0) -> None:
        self.observed.append(frame.index)

    def flush_frames(self) -> list[Made]:
        made, self._held = self._held, []
        return made

    def reconstruct(self, measurement: Measurement) -> Cube:
        self.measured.append(measurement.frame_index)
        return super().reconstruct(measurement)

    def reset(self) -> None:
        super().reset()
        self._held = []

    def _made(self, frame: Frame, pedestal: float, wanted: Wanted) -> Made:
        cube = super().reconstruct(Corrector(self.calibration, pedestal).correct(frame))
        picture = np.empty((*self.calibration.cube_shape[1:], 3), np.uint8)
        picture[:] = (frame.index % 256, wanted.pick_size, 7)
        spectra = {(row, column): cube.values[:, row, column] + 100 for row, column in wanted.picks}
        seen = Seen(picture, wanted.white_level, spectra, wanted.pick_size, frame.index, frame.host_time_ns)
        return Made(cube if wanted.cubes else None, seen)
