"""From what an operator names - a simulated bench, a file, a camera - to a source with its calibration."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.calibration import Calibration, CalibrationMismatchError, System
from livecassi.drivers import Source, SourceNotFoundError


class SourceKind(StrEnum):
    """Where frames come from."""

    PROTOTYPE = "prototype"
    FILE = "file"
    CAMERA = "camera"


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """One wish for a source. Sizes and seed concern the simulated bench, `loop` a file, `producer` a camera.

    `frame_rate_hz` None: a file as fast as it can be read, a camera and the bench at their own rate.
    """

    kind: SourceKind = SourceKind.PROTOTYPE
    path: Path | None = None
    calibration: Path | None = None
    system: System = System.DD_CASSI
    height: int = 256
    width: int = 256
    seed: int = 0
    frame_rate_hz: float | None = 30.0
    loop: bool = True
    producer: Path | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A source and its calibration; `truth(frame_index)` is the cube `(C, H, W)` behind a simulated frame."""

    source: Source
    calibration: Calibration
    truth: Callable[[int], NDArray[np.float32]] | None = None


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
