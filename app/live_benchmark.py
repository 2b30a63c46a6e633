"""How many frames a second an engine takes from the frame of a camera to a colour picture and spectra."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from livecassi.app.colour import ColourRenderer
from livecassi.app.picks import mean_spectrum
from livecassi.app.scoring_material import Material
from livecassi.calibration import Calibration, Corrector, System, sensing_model
from livecassi.drivers import Frame
from livecassi.engines import Engine, EngineError, EngineSpec, build_engine
from livecassi.engines.metrics import score
from livecassi.engines.protocol import Scene, add_noise, moving_path, protocol_calibration

PINS = 4
FULL_WELL_DN = 4000.0  # of 4095: what the brightest pixel is digitised to
BIT_DEPTH = 12
COUNTED_FROM = 2  # the first frames stand alone or warm up


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """Medians over the frames of moving scenes, ms; PSNR in dB, mean over those frames. `runtime` of the engine."""

    engine: str
    system: str
    runtime: str
    correct_ms: float
    reconstruct_ms: float
    picture_ms: float
    psnr_db: float

    @property
    def frames_per_s(self) -> float:
        """From frame to picture and spectra, one frame after the other."""
        return 1e3 / (self.correct_ms + self.reconstruct_ms + self.picture_ms)


@dataclass(frozen=True, slots=True)
class _Clip:
    frames: Sequence[Frame]
    truths: Sequence[NDArray[np.float32]]
    scale: float  # of a cube in full scale of the camera to the truth


def live_figures(
    material: Material, specs: Mapping[str, EngineSpec], names: Sequence[str], system: System, rounds: int = 3
) -> list[LiveFigures]:
    """Every engine on the same frames of moving scenes, in turns so that all meet the machine in the same state."""
    calibration = protocol_calibration(system, material.masks[system])
    clips = [_clip(load, calibration) for load in material.scenes.values()]
    renderer = ColourRenderer(calibration.wavelengths_nm)
    corrector = Corrector(calibration, 0.0)
    times: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    scores: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as stack:
        engines = {name: stack.enter_context(build_engine(specs, name, calibration)) for name in names}
        for turn in range(rounds):
            for clip in clips:
                for name, engine in engines.items():
                    found = _through(engine, clip, corrector, renderer, scored=turn == 0)
                    times[name] += found[0]
                    scores[name] += found[1]
    return [
        _figures(name, system, engines[name].info.runtime, times[name], float(np.mean(scores[name]))) for name in names
    ]


def _figures(
    name: str, system: System, runtime: str, times: list[tuple[float, float, float]], psnr_db: float
) -> LiveFigures:
    correct, reconstruct, picture = (1e3 * median(column) for column in zip(*times, strict=True))
    return LiveFigures(name, str(system), runtime, correct, reconstruct, picture, psnr_db)


def _clip(load: Callable[[], Scene], calibration: Calibration) -> _Clip:
    """A scene of the protocol that moves, with shot noise, as the frames of a 12-bit camera."""
    scene, model = load(), sensing_model(calibration)
    truths = [scene.bands(calibration.wavelengths_nm, shift) for shift in moving_path()]
    measured = [add_noise(model.forward(truth), index) for index, truth in enumerate(truths)]
    gain = FULL_WELL_DN / max(float(values.max()) for values in measured)
    frames = [
        Frame(np.clip(values * gain + 0.5, 0, 2**BIT_DEPTH - 1).astype(np.uint16), index, index, bit_depth=BIT_DEPTH)
        for index, values in enumerate(measured, 1)
    ]
    return _Clip(frames, truths, (2**BIT_DEPTH - 1) / gain)


def _through(
    engine: Engine, clip: _Clip, corrector: Corrector, renderer: ColourRenderer, *, scored: bool
) -> tuple[list[tuple[float, float, float]], list[float]]:
    """Seconds of correcting, reconstructing and showing each frame, and the PSNR of its cube where it is wanted."""
    times, scores = [], []
    engine.reset()
    for place, (frame, truth) in enumerate(zip(clip.frames, clip.truths, strict=True)):
        begun = perf_counter()
        measurement = corrector.correct(frame)
        corrected = perf_counter()
        cube = engine.reconstruct(measurement)
        made = perf_counter()
        if cube is None:
            raise EngineError(f"engine '{engine.info.name}' gives its cubes late; this benchmark times those at once")
        renderer.render(cube.values, 1.0 / clip.scale)
        _, height, width = cube.values.shape
        for pin in range(PINS):
            mean_spectrum(cube.values, height * (pin + 1) // (PINS + 1), width // 2, 3)
        shown = perf_counter()
        if place >= COUNTED_FROM:
            times.append((corrected - begun, made - corrected, shown - made))
            if scored:
                scores.append(score(cube.values * np.float32(clip.scale), truth).psnr_db)
    return times, scores
