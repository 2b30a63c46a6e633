"""Grab: frames out of hardware, files or a simulation. Knows no optics."""

from livecassi.drivers.errors import (
    LivecassiError,
    SourceError,
    SourceLostError,
    SourceNotFoundError,
    SourceUnsupportedError,
)
from livecassi.drivers.frame import Frame
from livecassi.drivers.source import Source, SourceInfo, SourceSettings, StopSignal

__all__ = [
    "Frame",
    "LivecassiError",
    "Source",
    "SourceError",
    "SourceInfo",
    "SourceLostError",
    "SourceNotFoundError",
    "SourceSettings",
    "SourceUnsupportedError",
    "StopSignal",
]
