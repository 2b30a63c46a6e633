"""The line of a network in the list of engines: what it needs, and which weights serve which bench."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from livecassi.calibration import Calibration, System
from livecassi.engines.engine import Engine
from livecassi.engines.errors import (
    EngineError,
    EngineMismatchError,
    EngineUnavailableError,
    RuntimeUnavailableError,
)
from livecassi.engines.exporting.card import NetworkCard, read_network_card
from livecassi.engines.exporting.registry import find_export
from livecassi.engines.frame_engine import Colours
from livecassi.engines.networks.adaptation import Adaptation, AdaptedEngine, adapt
from livecassi.engines.networks.choosing import Choice, FindWeights, band_misfit, check_trained
from livecassi.engines.networks.inputs import check_bench, check_size
from livecassi.engines.networks.loading import check_made_for
from livecassi.engines.networks.network_options import ADAPT, network_options, wish
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.networks.video_runtimes import EXPORTED, Bench, VideoRuntimes, Wish
from livecassi.engines.registry import EngineSpec
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.cache_folder import default_cache_folder
from livecassi.engines.runtimes.offers import Offer, offers
from livecassi.engines.runtimes.preparation import Preparation
from livecassi.engines.weights import TrainingState

LARGEST_BAND_ERROR_NM = 5.0
NO_RUNTIME = "neither torch, openvino nor onnxruntime is installed; install one with: pip install 'livecassi[torch]'"
NEEDS = {
    True: "torch, or a network exported elsewhere; an NVIDIA GPU for video, a CPU for patience",
    False: "torch, or a network exported elsewhere; a CPU for stills, an NVIDIA GPU for video",
}


def network_engine(
    network: NetworkSpec,
    cost: str,
    find_weights: FindWeights,
    weights_folder: Callable[[], Path] = Path.home,
    offered: Callable[[], tuple[Offer, ...]] = offers,
    colours: Colours | None = None,
) -> EngineSpec:
    """The engine of `network`; `find_weights(name, system)` lists the files that may be used, best first.

    Who chooses a file by hand looks in `weights_folder` first. `offered` says what this machine runs networks on. With
    `colours` a GPU renders pictures itself where it can.
    """
    choice = _choice(network, find_weights)
    runtimes = VideoRuntimes(offered, lambda: ArtefactCache(default_cache_folder()), colours)
    plain = VideoRuntimes(offered, lambda: ArtefactCache(default_cache_folder()))  # cubes of an adapted one come back

    def placed(
        calibration: Calibration, options: Mapping[str, object]
    ) -> tuple[VideoRuntimes, Bench, Adaptation | None]:
        bench, adaptation = _bench(network, choice, calibration, options)
        return (plain if adaptation else runtimes), bench, adaptation

    def build(calibration: Calibration, options: Mapping[str, object]) -> Engine:
        chooser, bench, adaptation = placed(calibration, options)
        engine = _build(chooser, bench, options)
        return engine if adaptation is None else AdaptedEngine(engine, adaptation)

    def preparation(calibration: Calibration, options: Mapping[str, object]) -> Preparation | None:
        chooser, bench, _ = placed(calibration, options)
        return chooser.preparation(bench, wish(options))

    def runs_on() -> str:
        try:
            return runtimes.choose(Wish()).reason
        except RuntimeUnavailableError as error:
            return str(error)

    return EngineSpec(
        name=network.name,
        title=network.title,
        needs=NEEDS[network.frames > 1],
        cost=cost,
        weights=choice.in_words(),
        systems=network.systems,
        build=build,
        options=network_options(network, weights_folder),
        missing=_missing,
        unfit=partial(_unfit, network, choice),
        wanting=partial(_wanting, network, choice),
        preparation=preparation,
        runs_on=runs_on,
    )


def _missing() -> str:
    return "" if any(find_spec(package) for package in ("torch", "openvino", "onnxruntime")) else NO_RUNTIME


def _build(runtimes: VideoRuntimes, bench: Bench, options: Mapping[str, object]) -> Engine:
    from livecassi.engines.networks.engine import VideoSettings
    from livecassi.engines.networks.sliding_window import Frames, Output

    hop, brightness = options.get("hop"), options.get("brightness")
    settings = VideoSettings(
        hop if isinstance(hop, int) else 1,
        Output(str(options.get("output") or "latest")),
        Frames(str(options.get("frames") or "video")),
        brightness if isinstance(brightness, float) else None,
    )
    state = bench.card.weights_state if isinstance(bench.card, NetworkCard) else bench.card.state
    note = "" if state is TrainingState.TRAINED else f" ({state})"
    return runtimes.engine(bench, wish(options), settings, bench.path.name + note)


# ---- which weights -------------------------------------------------------------------------------------------------


def _bench(
    network: NetworkSpec, choice: Choice, calibration: Calibration, options: Mapping[str, object]
) -> tuple[Bench, Adaptation | None]:
    """The network with the weights that were asked for, or the best; adapted where that is needed and asked for.

    Raises as `Choice.given`, `Choice.best` and `adapt`.
    """
    known = set(network_options(network))
    if unknown := set(options) - known:
        raise EngineError(f"{network.name} has no option {sorted(unknown)}; its options are {sorted(known)}")
    given = options.get("weights")
    file = given if isinstance(given, Path) else None
    try:
        return _as_it_is(network, choice, calibration, file), None
    except EngineMismatchError as error:
        if not options.get(ADAPT) or (file is not None and file.suffix == EXPORTED):
            raise EngineMismatchError(f"{error}{_adaptable(network, choice, calibration, file)}") from error
    return _adapted(network, choice, calibration, file)


def _as_it_is(network: NetworkSpec, choice: Choice, calibration: Calibration, file: Path | None) -> Bench:
    check_bench(calibration, network)
    if file is not None and file.suffix == EXPORTED:
        return Bench(network, calibration, file, _exported_card(network, calibration, file))
    path, card = choice.best(calibration) if file is None else choice.given(file, calibration)
    return Bench(network, calibration, path, card)


def _adapted(
    network: NetworkSpec, choice: Choice, calibration: Calibration, file: Path | None
) -> tuple[Bench, Adaptation]:
    """With the first file of weights that can be adapted. Raises `EngineMismatchError` where none can."""
    files = list(_files(choice, calibration, file))
    if not files:
        raise EngineUnavailableError(f"engine '{network.name}' cannot run: {choice.lacking(calibration.system)}")
    reasons = []
    for path in files:
        card = choice.read(path, calibration.system)
        try:
            adaptation = adapt(calibration, card.wavelengths_nm, network.step_px, network.name)
            check_size(adaptation.bench, network)
        except EngineMismatchError as error:
            reasons.append(error)
            continue
        return Bench(network, adaptation.bench, path, card), adaptation
    raise reasons[0]


def _files(choice: Choice, calibration: Calibration, file: Path | None) -> Iterator[Path]:
    if file is not None:
        yield file
    else:
        yield from (found.path for found in choice.usable(calibration.system))


def _adaptable(network: NetworkSpec, choice: Choice, calibration: Calibration, file: Path | None) -> str:
    """That the option adapt would help, or ""."""
    if not network.follows_shifts or (file is not None and file.suffix == EXPORTED):
        return ""
    try:
        _, adaptation = _adapted(network, choice, calibration, file)
    except EngineError:
        return ""
    return f"; or take these weights all the same by {ADAPT}=yes: {adaptation.words}"


def _exported_card(network: NetworkSpec, calibration: Calibration, path: Path) -> NetworkCard:
    """Raises `NetworkFileError`, `EngineUnavailableError` (untrained) or `EngineMismatchError`."""
    card = read_network_card(path)
    check_trained(path, card.weights_state)
    check_made_for(path, ("network", card.network, network.name), ("system", card.system, calibration.system))
    if misfit := band_misfit(card, path, calibration, LARGEST_BAND_ERROR_NM):
        raise EngineMismatchError(misfit)
    return card


def _choice(network: NetworkSpec, find_weights: FindWeights) -> Choice:
    def advice(system: System) -> str:
        imported = (
            f"import a checkpoint with 'livecassi weights import CHECKPOINT --network {network.name} --system {system}'"
        )
        trained = "train it, see 'livecassi train --list'"
        return f"{imported if network.published else trained}, or choose a file by the option weights=FILE"

    return Choice(
        network.name,
        network.systems,
        find_weights,
        partial(band_misfit, largest_error_nm=LARGEST_BAND_ERROR_NM),
        advice,
        "missing: 'livecassi weights import' takes the authors' checkpoint"
        if network.published
        else "missing: 'livecassi train' makes them",
    )


def _unfit(network: NetworkSpec, choice: Choice, calibration: Calibration) -> str:
    try:
        check_bench(calibration, network)
    except EngineMismatchError as error:
        return f"{error}{_adaptable(network, choice, calibration, None)}"
    if lacking := choice.unfit(calibration):
        return f"{lacking}{_adaptable(network, choice, calibration, None)}"
    if "torch" in find_export(network.name).missing():
        return (
            f"{network.name} runs on torch or is exported by it, and torch is not installed here; install it with: pip "
            "install 'livecassi[torch,onnx]', or choose a network exported elsewhere by the option weights=FILE.onnx"
        )
    return ""


def _wanting(network: NetworkSpec, choice: Choice, calibration: Calibration) -> str:
    """The option that would mend what `_unfit` says: adapt where these weights can be adapted, weights where only such
    that fit, or that run without torch, are missing, else none.
    """
    if not _unfit(network, choice, calibration):
        return ""
    if _adaptable(network, choice, calibration, None):
        return ADAPT
    try:
        check_bench(calibration, network)
    except EngineMismatchError:
        return ""
    return "weights"
