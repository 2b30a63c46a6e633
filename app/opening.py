"""From what an operator names - a simulated bench, a file, a camera - to a source with its calibration."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.app.recording import Recording, is_recording
from livecassi.app.session import Session
from livecassi.calibration import (
    Calibration,
    CalibrationInvalidError,
    CalibrationMismatchError,
    System,
    check_frame_shape,
)
from livecassi.calibration.belongs import check_camera
from livecassi.calibration.store import load_calibration
from livecassi.drivers import LivecassiError, Source, SourceInfo, SourceNotFoundError, SourceSettings
from livecassi.drivers.frame_files import FileFrames
from livecassi.drivers.producers import find_producers, list_cameras
from livecassi.drivers.replay import FrameSequence, Replay

log = logging.getLogger(__name__)

USUAL_RATE_HZ = 30.0
OWN_CALIBRATION = (
    "name one with --calibration FILE, make one with 'livecassi calibrate run --source camera', or open the camera "
    "with one of its mask ('livecassi calibrate import') and let the wizard (Calibrate… in the window) make its own"
)


class SourceKind(StrEnum):
    """Where frames come from."""

    PROTOTYPE = "prototype"
    FILE = "file"
    CAMERA = "camera"


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """One wish for a source. Sizes, bands and seed concern the simulated bench, `loop` a file, `producer` a camera.

    `frame_rate_hz` None: its own rate - a camera's as it is set, a recording's as it was recorded, else 30.
    """

    kind: SourceKind = SourceKind.PROTOTYPE
    path: Path | None = None
    calibration: Path | None = None
    system: System = System.DD_CASSI
    height: int = 256
    width: int = 256
    seed: int = 0
    bands: int | None = None
    frame_rate_hz: float | None = None
    loop: bool = True
    producer: Path | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A source and its calibration; `truth(frame_index)` is the cube `(C, H, W)` behind a simulated frame."""

    source: Source
    calibration: Calibration
    truth: Callable[[int], NDArray[np.float32]] | None = None
    release: Callable[[], None] = lambda: None


def parse_source(text: str) -> SourceRequest:
    """`prototype`, `camera`, `camera:SERIAL`, or the path of a recording or of measured frames."""
    if text == "prototype":
        return SourceRequest(SourceKind.PROTOTYPE)
    if text == "camera" or text.startswith("camera:"):
        return SourceRequest(SourceKind.CAMERA, serial=text.partition(":")[2])
    path = Path(text)
    if not path.exists():
        raise SourceNotFoundError(
            f"there is no source '{text}'; expected 'prototype', 'camera', 'camera:SERIAL', "
            "or the path of a recording folder or of measured frames (.mat, .npy, .png, .tif)"
        )
    return SourceRequest(SourceKind.FILE, path=path)


def open_source(request: SourceRequest) -> Opened:
    """Open what was asked for. Raises `SourceError`, `CalibrationError` or `RecordingError`."""
    if request.kind is SourceKind.PROTOTYPE:
        return _open_prototype(request)
    if request.kind is SourceKind.CAMERA:
        return _open_camera(request)
    return _open_file(request)


def open_sequence(path: Path, key: str | None = None, bit_depth: int | None = None) -> FrameSequence:
    """The frames of a recording folder, or of a file or folder of measured frames.

    Raises `SourceError` or `RecordingError`.
    """
    if is_recording(path):
        return Recording(path)
    return FileFrames(path, key, bit_depth)


def calibration_for(sequence: FrameSequence, path: Path, calibration: Path | None) -> Calibration:
    """The calibration file that was named, else the one that the recording carries.

    Raises `CalibrationError`, also where the one that was named is not that of the camera that was recorded.
    """
    if calibration is not None:
        named = load_calibration(calibration)
        check_camera(named, sequence.info)
        return named
    if isinstance(sequence, Recording) and sequence.calibration is not None:
        return sequence.calibration
    raise CalibrationInvalidError(
        f"{path} carries no calibration; name one with --calibration FILE, or make one of your mask "
        "with 'livecassi calibrate import'"
    )


def _open_prototype(request: SourceRequest) -> Opened:
    from livecassi.app.prototype import open_prototype

    prototype = open_prototype(
        request.system,
        request.height,
        request.width,
        seed=request.seed,
        bands=request.bands,
        frame_rate_hz=request.frame_rate_hz or USUAL_RATE_HZ,
    )
    if request.calibration is None:
        return Opened(prototype.source, prototype.calibration, prototype.truth)
    named = load_calibration(request.calibration)
    check_frame_shape(named, prototype.source.info.frame_shape)
    check_camera(named, prototype.source.info)
    return Opened(prototype.source, named)  # whose bands are not those of the truth


def _open_file(request: SourceRequest) -> Opened:
    if request.path is None:
        raise SourceNotFoundError("no file was named; choose a recording or measured frames")
    sequence = open_sequence(request.path)
    calibration = calibration_for(sequence, request.path, request.calibration)
    release = sequence.close if isinstance(sequence, Recording) else lambda: None
    rate_hz = request.frame_rate_hz or _recorded_rate(sequence)
    return Opened(Replay(sequence, rate_hz, request.loop), calibration, release=release)


def _recorded_rate(sequence: FrameSequence) -> float:
    recorded = sequence.describe().frame_rate_hz if isinstance(sequence, Recording) else None
    return recorded or USUAL_RATE_HZ


def _open_camera(request: SourceRequest) -> Opened:
    from livecassi.drivers.harvester import HarvesterCamera

    producer = find_producer(request)
    calibration = load_calibration(request.calibration) if request.calibration is not None else _calibration_in_use()
    camera = HarvesterCamera(producer, request.serial or None)
    try:
        _check_belongs(calibration, camera.info, named=request.calibration is not None)
        camera.configure(SourceSettings(frame_rate_hz=request.frame_rate_hz))
    except LivecassiError:
        camera.close()
        raise
    return Opened(camera, calibration, release=camera.close)


def _calibration_in_use() -> Calibration:
    from livecassi.app.calibrating.library import Library

    library = Library()
    version = library.active()
    if version is None:
        raise CalibrationInvalidError(
            f"a camera needs a calibration, none was named and none in {library.folder} is in use; {OWN_CALIBRATION}"
        )
    log.info("calibration in use: '%s', id %s, %s", version.name, version.id[:8], version.path)
    return load_calibration(version.path)


def _check_belongs(calibration: Calibration, info: SourceInfo, *, named: bool) -> None:
    """One that nobody named for this camera is refused with the ways to its own."""
    try:
        check_camera(calibration, info)
        check_frame_shape(calibration, info.frame_shape)
    except CalibrationMismatchError as error:
        if named:
            raise
        raise CalibrationMismatchError(
            f"this camera needs a calibration, none was named and the one in use is not its own ({error}); "
            f"{OWN_CALIBRATION}"
        ) from error


def find_producer(request: SourceRequest) -> Path:
    """The producer that was named, the only one there is, or the first that lists the camera.

    Raises `SourceNotFoundError`.
    """
    producers = [request.producer] if request.producer is not None else find_producers()
    if not producers:
        raise SourceNotFoundError(
            "no GenTL producer was found on GENICAM_GENTL64_PATH; install the software of the camera's vendor, "
            "or name its producer with --producer FILE.cti"
        )
    if len(producers) == 1:
        return producers[0]
    serial = request.serial
    cameras = {producer: list_cameras(producer) for producer in producers}
    for producer, found in cameras.items():
        if any(camera.serial == serial or not serial for camera in found):
            return producer
    listed = ", ".join(camera.serial for found in cameras.values() for camera in found) or "none"
    raise SourceNotFoundError(
        f"no camera {serial or ''} was found through {len(producers)} producers (cameras there: {listed}); "
        "connect it, or choose one of these"
    )


def open_session(request: SourceRequest) -> Session:
    """A session on what was asked for, not started. Raises as `open_source`."""
    opened = open_source(request)
    return Session(opened.source, opened.calibration, release=opened.release)
