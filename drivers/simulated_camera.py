"""A simulated camera: turns light on its sensor into noisy raw frames. What it sees is injected."""

import logging
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from livecassi.drivers.clock import Clock, MonotonicClock
from livecassi.drivers.errors import SourceLostError, SourceUnsupportedError
from livecassi.drivers.frame import Frame
from livecassi.drivers.source import SourceInfo, SourceSettings, StopSignal

logger = logging.getLogger(__name__)

EXPOSURE_RANGE_US = (20.0, 1_000_000.0)
GAIN_RANGE_DB = (0.0, 24.0)
FRAME_RATE_RANGE_HZ = (0.1, 1000.0)


@dataclass(frozen=True, slots=True)
class Sensor:
    """The sensor behind the pixels, in the terms of EMVA 1288. At 0 dB the full well reaches full scale."""

    bit_depth: int = 12
    full_well_e: float = 32_000.0
    offset_dn: float = 48.0
    read_noise_e: float = 6.0
    dark_current_e_s: float = 60.0
    pixel_response_spread: float = 0.006  # standard deviation of PRNU
    hot_pixel_share: float = 4e-5
    hot_pixel_e_s: float = 120_000.0

    @property
    def full_scale_dn(self) -> int:
        """The largest digital number."""
        return int(2**self.bit_depth) - 1

    @property
    def dn_per_electron(self) -> float:
        """Conversion at 0 dB."""
        return (self.full_scale_dn - self.offset_dn) / self.full_well_e


@dataclass(frozen=True, slots=True)
class Faults:
    """Misfortunes to rehearse: every n-th frame is lost (an index gap), or the camera vanishes after n frames."""

    drop_every: int | None = None
    vanish_after: int | None = None


class SimulatedCamera:
    """A `Source` over `render(t_s) -> electrons per second (H, W') float32`, the light at scene time `t_s`.

    Frame n always shows scene time `n / scene_rate_hz` and draws its noise from `(seed, n)`, so it is the same
    whatever was read before, at any speed and after any loss. One normal number per pixel stands for shot noise,
    dark-current noise and read noise together (the Gaussian limit of Poisson, good above some 10 electrons).

    Pacing by `clock`: frame n + 1 is due one period after frame n. A late frame is delivered at once and the
    next is due one period later, so that a slow reader sees a lower rate, never a gap: only `Faults.drop_every`
    makes gaps. The period is the longer of `1 / frame_rate_hz` and the exposure.
    Every call of `frames` starts again at index 0. `temperature_c` is what the frames tell; it may be set at any time.
    """

    def __init__(
        self,
        render: Callable[[float], NDArray[np.float32]],
        frame_shape: tuple[int, int],
        *,
        seed: int = 0,
        sensor: Sensor | None = None,
        settings: SourceSettings | None = None,
        scene_rate_hz: float = 30.0,
        clock: Clock | None = None,
        faults: Faults | None = None,
        title: str = "simulated camera",
        temperature_c: float | None = None,
    ) -> None:
        self._render = render
        self._seed = seed
        self._noise_run = 0
        self.temperature_c = temperature_c
        self.sensor = sensor or Sensor()
        self._clock: Clock = clock or MonotonicClock()
        self._faults = faults or Faults()
        self._scene_rate_hz = scene_rate_hz
        self._lock = threading.Lock()
        self._settings = SourceSettings(exposure_us=10_000.0, gain_db=0.0, frame_rate_hz=scene_rate_hz)
        self.info = SourceInfo(
            kind="prototype",
            title=title,
            serial=f"SIMULATED-{seed}",
            frame_shape=frame_shape,
            bit_depth=self.sensor.bit_depth,
            exposure_range_us=EXPOSURE_RANGE_US,
            gain_range_db=GAIN_RANGE_DB,
        )
        generator = np.random.default_rng([seed, 0xCA])
        self.pixel_response: NDArray[np.float32] = 1 + np.float32(
            self.sensor.pixel_response_spread
        ) * generator.standard_normal(frame_shape, np.float32)
        hot = generator.random(frame_shape, np.float32) < self.sensor.hot_pixel_share
        self._dark_current_e_s = np.where(
            hot,
            np.float32(self.sensor.hot_pixel_e_s) * generator.random(frame_shape, np.float32),
            np.float32(self.sensor.dark_current_e_s),
        ).astype(np.float32)
        self.configure(settings or SourceSettings())

    def configure(self, settings: SourceSettings) -> SourceSettings:
        """Apply what is not None, moved into the camera's range as a camera does; returns all as applied.

        Raises `SourceUnsupportedError` for a value that is no number.
        """
        with self._lock:
            wanted = {
                "exposure_us": (settings.exposure_us, EXPOSURE_RANGE_US),
                "gain_db": (settings.gain_db, GAIN_RANGE_DB),
                "frame_rate_hz": (settings.frame_rate_hz, FRAME_RATE_RANGE_HZ),
            }
            applied: dict[str, float] = {}
            for name, (value, (low, high)) in wanted.items():
                if value is None:
                    continue
                if not math.isfinite(value):
                    raise SourceUnsupportedError(
                        f"{name} = {value} found, expected a number from {low:g} to {high:g}; enter another value"
                    )
                applied[name] = min(max(value, low), high)
            self._settings = replace(self._settings, **applied)
            return self._settings

    def frames(self, stop: StopSignal) -> Iterator[Frame]:
        """Frames from index 0 until `stop` is set. Raises `SourceLostError` when told to vanish."""
        index = delivered = 0
        due_ns = self._clock.now_ns()
        while not self._clock.wait((due_ns - self._clock.now_ns()) / 1e9, stop):
            if self._faults.vanish_after is not None and delivered >= self._faults.vanish_after:
                raise SourceLostError(
                    f"the simulated camera {self.info.serial} vanished after {delivered} frames; "
                    "reconnect it and start again"
                )
            with self._lock:
                settings = self._settings
            due_ns = max(due_ns, self._clock.now_ns()) + round(1e9 * self._period_s(settings))
            if self._faults.drop_every is None or (index + 1) % self._faults.drop_every:
                yield self.expose(index, settings)
                delivered += 1
            else:
                logger.debug("simulated camera %s loses frame %d", self.info.serial, index)
            index += 1

    def expose(self, index: int, settings: SourceSettings) -> Frame:
        """Frame `index` as it comes out at these (complete) settings."""
        exposure_us, gain_db, sensor = settings.exposure_us or 0.0, settings.gain_db or 0.0, self.sensor
        exposure_s = np.float32(exposure_us * 1e-6)
        electrons = np.maximum(np.float32(exposure_s) * self._render(index / self._scene_rate_hz), 0)
        if electrons.shape != self.info.frame_shape:
            raise SourceUnsupportedError(
                f"the rendered light has shape {electrons.shape}, the simulated sensor {self.info.frame_shape}; "
                "build the camera for the size of the scene"
            )
        electrons *= self.pixel_response
        electrons += exposure_s * self._dark_current_e_s
        entropy = [self._seed, index, *([self._noise_run] if self._noise_run else [])]
        generator = np.random.Generator(np.random.SFC64(entropy))
        noise = generator.standard_normal(electrons.shape, np.float32)
        noise *= np.sqrt(electrons + np.float32(sensor.read_noise_e**2))
        electrons += noise
        np.minimum(electrons, np.float32(sensor.full_well_e), out=electrons)
        electrons *= np.float32(self._dn_per_electron(gain_db))
        electrons += np.float32(sensor.offset_dn + 0.5)  # the half rounds below
        np.clip(electrons, 0, sensor.full_scale_dn, out=electrons)
        return Frame(
            electrons.astype(np.uint16),
            index,
            host_time_ns=self._clock.now_ns(),
            device_time_ns=round(1e9 * index / self._scene_rate_hz),
            exposure_us=exposure_us,
            gain_db=gain_db,
            bit_depth=sensor.bit_depth,
            temperature_c=self.temperature_c,
        )

    def refresh_noise(self) -> None:
        """From now on frames draw other noise than any before, though their indices may begin again."""
        with self._lock:
            self._noise_run += 1

    def mean_dark(self, exposure_us: float, gain_db: float) -> NDArray[np.float32]:
        """What very many averaged dark frames would show, in DN `(H, W')`, hot pixels included."""
        scale = np.float32(exposure_us * 1e-6 * self._dn_per_electron(gain_db))
        return np.float32(self.sensor.offset_dn) + scale * self._dark_current_e_s

    def _dn_per_electron(self, gain_db: float) -> float:
        return self.sensor.dn_per_electron * float(10 ** (gain_db / 20))

    @staticmethod
    def _period_s(settings: SourceSettings) -> float:
        rate_hz, exposure_us = settings.frame_rate_hz or 1.0, settings.exposure_us or 0.0
        return max(1 / rate_hz, exposure_us * 1e-6)
