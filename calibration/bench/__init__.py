"""A simulated bench: moving scenes and the optics that code them."""

from livecassi.calibration.bench.bench import Bench, BenchDesign, SensorSide
from livecassi.calibration.bench.materials import Materials, Spectrum

__all__ = ["Bench", "BenchDesign", "Materials", "SensorSide", "Spectrum"]
