"""The line of `live` in the list of engines: its options in an operator's words, and which benches it serves."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from livecassi.calibration import Calibration, System
from livecassi.engines.engine import Engine
from livecassi.engines.errors import DriverError, EngineError, RuntimeUnavailableError
from livecassi.engines.networks.choosing import Choice, FindWeights, weights_option
from livecassi.engines.option_parsing import one_of, switch, whole, word_or
from livecassi.engines.precision import Precision
from livecassi.engines.registry import EngineOption, EngineSpec
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.cache_folder import default_cache_folder
from livecassi.engines.runtimes.choosing import choose_runtime
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.nvidia_driver import Driver
from livecassi.engines.runtimes.offers import Offer, offers
from livecassi.engines.weights import WeightsCard

NAME = "live"
SYSTEMS = frozenset({System.SD_CASSI, System.DD_CASSI})
RUNTIMES = (RuntimeName.OPENVINO, RuntimeName.ONNXRUNTIME)  # the solver before it needs the CPU anyway
TOLERANCE_NM = 5.0  # how far outside the trained range bands may lie
LARGEST_STRETCH = 1.25  # of the dispersion in px per nm to the trained one, or its inverse
NO_RUNTIME = "neither openvino nor onnxruntime is installed; install one with: pip install openvino"


def live_spec(find_weights: FindWeights, weights_folder: Callable[[], Path] = Path.home) -> EngineSpec:
    """The engine `live`; `find_weights(name, system)` lists the files that may be used, best first."""
    choice = Choice(
        NAME,
        SYSTEMS,
        find_weights,
        misfit,
        lambda _: "train it with 'livecassi train', or choose a file by the option weights=FILE",
        "missing: train it with 'livecassi train'",
    )

    def build(calibration: Calibration, options: Mapping[str, object]) -> Engine:
        return _build(choice, calibration, options)

    return EngineSpec(
        name=NAME,
        title="total variation mended by a small network, for live video on a CPU",
        needs="CPU",
        cost="about 0.03 s for a cube of 256 x 256 on 2 cores while live; a first cube takes 0.2 to 0.5 s",
        weights=choice.in_words(),
        systems=SYSTEMS,
        build=build,
        options=_options(weights_folder),
        missing=lambda: "" if any(find_spec(package) for package in ("openvino", "onnxruntime")) else NO_RUNTIME,
        runs_on=_runs_on,
        unfit=choice.unfit,
        wanting=lambda calibration: "weights" if choice.unfit(calibration) else "",
    )


def offers_here() -> tuple[Offer, ...]:
    """The runtimes on this machine's CPU; what concerns a GPU is not looked into."""

    def nobody_asks() -> Driver:
        raise DriverError("the driver plays no part: the network runs on the CPU")

    return offers(nobody_asks)


def px_per_nm(calibration: Calibration) -> float:
    """The mean dispersion of a bench; 0 where one band says nothing about it."""
    return float(np.ptp(calibration.dispersion_px)) / max(float(np.ptp(calibration.wavelengths_nm)), 1.0)


def misfit(card: WeightsCard, path: Path, calibration: Calibration) -> str:
    """Why weights do not serve a calibration, or "": bands outside the trained range, or another dispersion.

    The network works on spectral curves, so that the number of bands is free.
    """
    if card.wavelengths_nm is None or len(card.wavelengths_nm) < 2:
        return f"the weights {path.name} do not say which wavelengths they were trained for; choose others"
    trained, own = np.array(card.wavelengths_nm), calibration.wavelengths_nm
    name = calibration.header.name or calibration.id[:8]
    if own.min() < trained[0] - TOLERANCE_NM or own.max() > trained[-1] + TOLERANCE_NM:
        return (
            f"the weights {path.name} were trained for bands of {trained[0]:g} to {trained[-1]:g} nm, calibration "
            f"'{name}' has {own.min():g} to {own.max():g} nm; choose weights that were trained for these bands, or "
            "gap-tv"
        )
    found, expected = px_per_nm(calibration), card.step_px * (len(trained) - 1) / (trained[-1] - trained[0])
    if not expected / LARGEST_STRETCH <= found <= expected * LARGEST_STRETCH:
        return (
            f"the weights {path.name} were trained for a dispersion of {expected:.2f} px per nm, calibration '{name}' "
            f"has {found:.2f}; adapt them with 'livecassi train --finetune CALIBRATION', or choose gap-tv"
        )
    return ""


def _options(weights_folder: Callable[[], Path]) -> Mapping[str, EngineOption]:
    return {
        "iterations": EngineOption("Iterations for a measurement that stands alone, 1 to 2000.", "80", whole(1, 2000)),
        "live_iterations": EngineOption(
            "Iterations for a measurement that follows another, 1 to 2000.", "3", whole(1, 2000)
        ),
        "live": EngineOption(
            "on: go on from the previous frame; off: every measurement alone.", "on", switch, ("on", "off")
        ),
        "weights": weights_option(weights_folder),
        "precision": EngineOption(
            "bf16: faster where the CPU multiplies it, fp32 where not; fp32: exact.",
            "bf16",
            lambda text: Precision(one_of("bf16", "fp32")(text)),
            ("bf16", "fp32"),
        ),
        "runtime": EngineOption(
            "openvino, onnxruntime, or auto for the quicker one of those that are installed.",
            "auto",
            word_or("auto", lambda text: RuntimeName(one_of("openvino", "onnxruntime")(text))),
            ("auto", "openvino", "onnxruntime"),
        ),
        "threads": EngineOption("Threads, 1 to 64, or auto.", "auto", word_or("auto", whole(1, 64))),
    }


def _build(choice: Choice, calibration: Calibration, options: Mapping[str, object]) -> Engine:
    from livecassi.engines.networks.live.engine import LiveEngine, LiveSettings  # numba: not before it is needed

    chosen = dict(options)
    given = chosen.pop("weights", None)
    known = set(LiveSettings.__dataclass_fields__)
    if unknown := set(chosen) - known:
        raise EngineError(f"live has no option {sorted(unknown)}; its options are {sorted({*known, 'weights'})}")
    path, card = choice.given(given, calibration) if isinstance(given, Path) else choice.best(calibration)
    note = "" if card.trained else f" ({card.state})"
    kept = ArtefactCache(default_cache_folder())
    return LiveEngine(path, calibration, LiveSettings(**chosen), note, kept)  # type: ignore[arg-type]


def _runs_on() -> str:
    try:
        return choose_runtime("auto", RUNTIMES, offers_here()).reason
    except RuntimeUnavailableError as error:
        return str(error)
