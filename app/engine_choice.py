"""Which engine runs where nobody named one."""

from collections.abc import Collection, Mapping

from livecassi.calibration import Calibration
from livecassi.engines import EngineSpec

AUTO = "auto"
PREFERRED = ("live", "gap-tv")  # the better first; the last one serves every bench


def chosen_engine(
    specs: Mapping[str, EngineSpec], name: str, calibration: Calibration, options: Collection[str] = ()
) -> str:
    """`name`, or for "auto" the best engine that serves the calibration here and knows these options."""
    if name != AUTO:
        return name
    preferred = [candidate for candidate in PREFERRED if candidate in specs] or list(specs)
    for candidate in preferred:
        if serves(specs[candidate], calibration) and set(options) <= specs[candidate].options.keys():
            return candidate
    return preferred[-1]


def serves(spec: EngineSpec, calibration: Calibration) -> bool:
    """Whether an engine runs on this machine, as it comes, for this calibration."""
    return not spec.missing() and calibration.system in spec.systems and not spec.unfit(calibration)
