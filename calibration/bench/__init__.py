"""A simulated bench: moving scenes and the optics that code them."""

from livecassi.calibration.bench.bench import Bench, SensorSide
from livecassi.calibration.bench.design import BenchDesign
from livecassi.calibration.bench.materials import Materials, Spectrum
from livecassi.calibration.bench.state import BenchState, Target

__all__ = ["Bench", "BenchDesign", "BenchState", "Materials", "SensorSide", "Spectrum", "Target"]
