"""What torch's operators are in ONNX, by their names. Those that torch itself puts together of others need no entry."""

from collections.abc import Mapping

from livecassi.engines.exporting.aten_arithmetic import ARITHMETIC
from livecassi.engines.exporting.aten_movement import MOVEMENT
from livecassi.engines.exporting.operands import Translation

TRANSLATIONS: Mapping[str, Translation] = {**ARITHMETIC, **MOVEMENT}
