"""Reconstruct: from a measurement to a cube."""

from livecassi.engines.cube import Cube, Quantity
from livecassi.engines.engine import Engine, EngineInfo
from livecassi.engines.errors import EngineError, EngineMismatchError, EngineUnavailableError
from livecassi.engines.registry import EngineOption, EngineSpec, OptionFiles, build_engine

__all__ = [
    "Cube",
    "Engine",
    "EngineError",
    "EngineInfo",
    "EngineMismatchError",
    "EngineOption",
    "EngineSpec",
    "EngineUnavailableError",
    "OptionFiles",
    "Quantity",
    "build_engine",
]
