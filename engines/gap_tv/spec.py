"""The line of `gap-tv` in the list of engines: what it is and which options it takes."""

from collections.abc import Callable, Mapping

from livecassi.calibration import Calibration, System
from livecassi.engines.engine import Engine
from livecassi.engines.gap_tv.basis import SpectralBasis
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


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"found '{text}', expected a whole number") from None
        if not low <= value <= high:
            raise ValueError(f"found {value}, expected {low} to {high}")
        return value

    return parse


def _word_or(word: str, parse: Callable[[str], object]) -> Callable[[str], object]:
    def parse_or(text: str) -> object:
        if text == word:
            return None
        try:
            return parse(text)
        except ValueError as error:
            raise ValueError(f"{error}, or '{word}'") from None

    return parse_or


def _between(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"found '{text}', expected a number") from None
        if not low <= value <= high:
            raise ValueError(f"found {text}, expected {low:g} to {high:g}")
        return value

    return parse


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"found '{text}', expected one of {', '.join(words)}")
        return text

    return parse


def _switch(text: str) -> bool:
    return _one_of("on", "off")(text) == "on"


OPTIONS: Mapping[str, EngineOption] = {
    "iterations": EngineOption("Iterations for a measurement that stands alone, 1 to 2000.", "80", _whole(1, 2000)),
    "live_iterations": EngineOption(
        "Iterations for a measurement that follows another, 1 to 2000.", "10", _whole(1, 2000)
    ),
    "live": EngineOption(
        "on: go on from the previous cube; off: every measurement alone.", "on", _switch, ("on", "off")
    ),
    "rank": EngineOption(
        "Number of spectral curves, 1 to 64, or full for as many as bands.", "8", _word_or("full", _whole(1, 64))
    ),
    "weight": EngineOption("Strength of smoothing, 0.001 to 100: 1 is usual.", "1", _between(0.001, 100)),
    "noise": EngineOption(
        "Noise relative to the measurement, 0 to 1 (0.02: two per cent), or auto.",
        "auto",
        _word_or("auto", _between(0, 1)),
    ),
    "basis": EngineOption(
        "Spectral curves: learned (from measured reflectances) or dct (cosines).",
        "learned",
        _one_of("learned", "dct"),
        ("learned", "dct"),
    ),
    "threads": EngineOption("Threads, 1 to 64, or auto.", "auto", _word_or("auto", _whole(1, 64))),
}
