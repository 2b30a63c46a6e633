"""The benchmark of `gap-tv`: quality and speed under the scoring protocol, next to a plain implementation."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from livecassi.app.engine_list import engine_specs
from livecassi.calibration import Calibration, Measurement, System, sensing_model
from livecassi.drivers import SourceError
from livecassi.drivers.array_files import read_array
from livecassi.engines import Engine, EngineError, build_engine
from livecassi.engines.gap_tv.plain import plain_gap_tv
from livecassi.engines.metrics import score
from livecassi.engines.protocol import (
    SIDE,
    VALIDATION_SCENES,
    ProtocolError,
    Scene,
    add_noise,
    load_scene,
    moving_path,
    protocol_calibration,
    synthetic_mask,
    synthetic_scene,
)

log = logging.getLogger(__name__)

Array32 = NDArray[np.float32]

MASKS = {
    System.SD_CASSI: ("tsanet_sim_mask256.mat", "mask"),
    System.DD_CASSI: ("dynaspec_mask_dd_binary.mat", "binary_mask"),
}


@dataclass(frozen=True, slots=True)
class StillScore:
    """One cold cube of one scene. `method` is gap-tv or plain."""

    method: str
    system: str
    noisy: bool
    scene: str
    psnr_db: float
    ssim: float
    sam_deg: float
    seconds: float


@dataclass(frozen=True, slots=True)
class MovingScore:
    """The frames after the first of a moving scene, each warm-started from the one before."""

    system: str
    noisy: bool
    scene: str
    psnr_db: float
    cold_psnr_db: float
    cubes_per_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found. `data` says where scenes and masks came from."""

    data: str
    start_seconds: float
    runtime: str
    stills: list[StillScore] = field(default_factory=list)
    moving: list[MovingScore] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Material:
    """What is reconstructed: scenes by name, loaded when their turn comes, and a mask per system."""

    source: str
    scenes: dict[str, Callable[[], Scene]]
    masks: dict[System, Array32]


def gather_material(data: Path | None) -> Material:
    """The validation scenes and masks of the folder `data`, or a scene and masks drawn in code without one.

    `data` holds `scenes/cave` (or the scenes themselves) and `masks`. Raises `ProtocolError`.
    """
    masks = {
        System.SD_CASSI: synthetic_mask(SIDE, SIDE),
        System.DD_CASSI: synthetic_mask(SIDE, SIDE + 58),
    }
    if data is None:
        return Material("one synthetic scene and random masks drawn in code", {"synthetic": synthetic_scene}, masks)
    if not data.is_dir():
        raise ProtocolError(f"there is no folder {data}; give the folder that holds scenes/cave and masks")
    folder = data / "scenes" / "cave" if (data / "scenes" / "cave").is_dir() else data
    scenes = {name: _loader(folder, name) for name in VALIDATION_SCENES}
    where = f"scenes of {folder}"
    if (data / "masks").is_dir():
        masks = {system: _read_mask(data / "masks" / name, key) for system, (name, key) in MASKS.items()}
        return Material(f"{where}, masks of {data / 'masks'}", scenes, masks)
    return Material(f"{where}, random masks drawn in code", scenes, masks)


def _loader(folder: Path, name: str) -> Callable[[], Scene]:
    return lambda: load_scene(folder, name)


def _read_mask(path: Path, key: str) -> Array32:
    try:
        return np.asarray(read_array(path, key=key), np.float32)
    except SourceError as error:
        raise ProtocolError(f"cannot read the mask '{key}': {error}") from error


def run_benchmark(material: Material, iterations: int, with_plain: bool) -> Report:
    """Every scene through both systems, still and moving, with and without noise."""
    calibrations = {system: protocol_calibration(system, mask) for system, mask in material.masks.items()}
    begun = perf_counter()
    with _engine(calibrations[System.DD_CASSI]) as first:
        runtime = first.info.runtime
    report = Report(material.source, perf_counter() - begun, runtime)
    for name, load in material.scenes.items():
        scene = load()
        for calibration in calibrations.values():
            log.info("%s under %s", name, calibration.system)
            report.stills.extend(_stills(scene, calibration, iterations, with_plain))
            report.moving.extend(_moving(scene, calibration, noisy) for noisy in (False, True))
    return report


def _engine(calibration: Calibration, **options: str) -> Engine:
    return build_engine(engine_specs(), "gap-tv", calibration, options)


def _stills(scene: Scene, calibration: Calibration, iterations: int, with_plain: bool) -> Iterator[StillScore]:
    truth = scene.bands(calibration.wavelengths_nm)
    clean = sensing_model(calibration).forward(truth)
    with _engine(calibration, iterations=str(iterations), live="off") as engine:
        for noisy, values in ((False, clean), (True, add_noise(clean))):
            measurement = Measurement(values, calibration.id)
            seconds, cube = min((_timed_cube(engine, measurement) for _ in range(2)), key=lambda run: run[0])
            yield _still("gap-tv", calibration, noisy, scene.name, cube, truth, seconds)
    if with_plain:
        begun = perf_counter()
        cube = plain_gap_tv(calibration, clean, iterations)
        yield _still("plain", calibration, False, scene.name, cube, truth, perf_counter() - begun)


def _timed_cube(engine: Engine, measurement: Measurement) -> tuple[float, Array32]:
    begun = perf_counter()
    cube = _cube(engine, measurement)
    return perf_counter() - begun, cube


def _cube(engine: Engine, measurement: Measurement) -> Array32:
    cube = engine.reconstruct(measurement)
    if cube is None:
        raise EngineError(f"engine '{engine.info.name}' gave no cube, expected one per measurement as of gap-tv")
    return cube.values


def _still(
    method: str, calibration: Calibration, noisy: bool, scene: str, cube: Array32, truth: Array32, seconds: float
) -> StillScore:
    found = score(cube, truth)
    return StillScore(method, str(calibration.system), noisy, scene, found.psnr_db, found.ssim, found.sam_deg, seconds)


def _moving(scene: Scene, calibration: Calibration, noisy: bool) -> MovingScore:
    model = sensing_model(calibration)
    warm, cold, seconds = [], [], []
    with _engine(calibration) as live, _engine(calibration, live="off") as alone:
        for index, shift in enumerate(moving_path()):
            truth = scene.bands(calibration.wavelengths_nm, shift)
            values = model.forward(truth)
            values = add_noise(values, index) if noisy else values
            measurement = Measurement(values, calibration.id, index)
            spent, cube = _timed_cube(live, measurement)
            if index == 0:
                continue
            seconds.append(spent)
            warm.append(score(cube, truth).psnr_db)
            if index % 3 == 0:
                cold.append(score(_cube(alone, measurement), truth).psnr_db)
    return MovingScore(
        str(calibration.system),
        noisy,
        scene.name,
        float(np.mean(warm)),
        float(np.mean(cold)),
        1.0 / float(np.median(seconds)),
    )
