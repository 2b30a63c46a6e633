"""The line of `gap-tv` in the list of engines: what it is and which options it takes."""

from collections.abc import Mapping

from livecassi.calibration import Calibration, System
from livecassi.engines.engine import Engine
from livecassi.engines.gap_tv.basis import SpectralBasis
from livecassi.engines.option_parsing import between, one_of, switch, whole, word_or
from livecassi.engines.registry import EngineOption, EngineSpec


def gap_tv_spec(basis: SpectralBasis | None = None) -> EngineSpec:
    """The engine with a learned spectral basis, or with cosines alone where none is given."""

    def build(calibration: Calibration, options: Mapping[str, object]) -> Engine:
        from livecassi.engines.gap_tv.engine import build as build_engine  # numba is heavy: not before it is needed

        return build_engine(calibration, options, basis)

    return EngineSpec(
        name="gap-tv",
        title="total variation on a spectral basis, no training",
        needs="CPU",
        cost="about 0.5 s for a first cube of 256 x 256 x 28 on 2 cores, a tenth of that for each that follows",
        weights="none needed",
        systems=frozenset(System),
        build=build,
        options=OPTIONS,
    )


OPTIONS: Mapping[str, EngineOption] = {
    "iterations": EngineOption("Iterations for a measurement that stands alone, 1 to 2000.", "80", whole(1, 2000)),
    "live_iterations": EngineOption(
        "Iterations for a measurement that follows another, 1 to 2000.", "10", whole(1, 2000)
    ),
    "live": EngineOption(
        "on: go on from the previous cube; off: every measurement alone.", "on", switch, ("on", "off")
    ),
    "rank": EngineOption(
        "Number of spectral curves, 1 to 64, or full for as many as bands.", "8", word_or("full", whole(1, 64))
    ),
    "weight": EngineOption("Strength of smoothing, 0.001 to 100: 1 is usual.", "1", between(0.001, 100)),
    "noise": EngineOption(
        "Noise relative to the measurement, 0 to 1 (0.02: two per cent), or auto.",
        "auto",
        word_or("auto", between(0, 1)),
    ),
    "basis": EngineOption(
        "Spectral curves: learned (from measured reflectances) or dct (cosines).",
        "learned",
        one_of("learned", "dct"),
        ("learned", "dct"),
    ),
    "threads": EngineOption("Threads, 1 to 64, or auto.", "auto", word_or("auto", whole(1, 64))),
}
