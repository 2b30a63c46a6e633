"""The line of a video network in the list of engines: its options in an operator's words, and where its weights are."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from livecassi.calibration import Calibration
from livecassi.engines.engine import Engine
from livecassi.engines.errors import EngineError, EngineMismatchError, RuntimeUnavailableError
from livecassi.engines.exporting.card import NetworkCard, read_network_card
from livecassi.engines.exporting.registry import find_export
from livecassi.engines.frame_engine import Colours
from livecassi.engines.networks.choosing import Choice, FindWeights, band_misfit, check_trained, weights_option
from livecassi.engines.networks.inputs import check_bench
from livecassi.engines.networks.loading import check_made_for
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.networks.video_runtimes import EXPORTED, RUNTIMES, Bench, VideoRuntimes, Wish
from livecassi.engines.option_parsing import between, one_of, word_or
from livecassi.engines.precision import Precision
from livecassi.engines.registry import EngineOption, EngineSpec
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.cache_folder import default_cache_folder
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.offers import Offer, offers
from livecassi.engines.runtimes.preparation import Preparation
from livecassi.engines.weights import TrainingState

LARGEST_BAND_ERROR_NM = 5.0
TILES = ("auto", "off", "128", "256", "384", "512")


def video_spec(
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

    def build(calibration: Calibration, options: Mapping[str, object]) -> Engine:
        return _build(network, choice, runtimes, calibration, options)

    def preparation(calibration: Calibration, options: Mapping[str, object]) -> Preparation | None:
        return runtimes.preparation(_bench(network, choice, calibration, options), _wish(options))

    def runs_on() -> str:
        try:
            return runtimes.choose(Wish()).reason
        except RuntimeUnavailableError as error:
            return str(error)

    return EngineSpec(
        name=network.name,
        title=network.title,
        needs="torch, or a network exported elsewhere; an NVIDIA GPU for video, a CPU for patience",
        cost=cost,
        weights=choice.in_words(),
        systems=network.systems,
        build=build,
        options=_options(network.frames, weights_folder),
        missing=_missing,
        unfit=partial(_unfit, network, choice),
        wanting=partial(_wanting, network, choice),
        preparation=preparation,
        runs_on=runs_on,
    )


NO_RUNTIME = "neither torch, openvino nor onnxruntime is installed; install one with: pip install 'livecassi[torch]'"


def _missing() -> str:
    return "" if any(find_spec(package) for package in ("torch", "openvino", "onnxruntime")) else NO_RUNTIME


def _options(frames: int, weights_folder: Callable[[], Path] = Path.home) -> Mapping[str, EngineOption]:
    hops = tuple(str(hop) for hop in range(1, frames + 1))
    return {
        "hop": EngineOption(
            f"New frames per pass, 1 to {frames}. 1: every cube at once, a whole pass each; {frames}: {frames} cubes "
            f"per pass, so {frames} times the rate, but {frames - 1} frames late.",
            "1",
            lambda text: int(one_of(*hops)(text)),
            hops,
        ),
        "output": EngineOption(
            "With hop 1, latest: the newest frame, no delay; centre: the frame before it, which has a neighbour on "
            "either side: better, but one frame late. Larger hops show all their frames.",
            "latest",
            one_of("latest", "centre"),
            ("latest", "centre"),
        ),
        "frames": EngineOption(
            "video: frames that follow each other are seen jointly; stills: every picture alone, at once, for files of "
            "unrelated pictures; hop and output then play no part.",
            "video",
            one_of("video", "stills"),
            ("video", "stills"),
        ),
        "weights": weights_option(weights_folder, EXPORTED),
        "runtime": EngineOption(
            "What executes the network: torch, openvino, onnxruntime, tensorrt, tensorrt-rtx, or auto for the quickest "
            "that is ready; another than torch is prepared once per bench, which takes a minute or two.",
            "auto",
            word_or("auto", lambda text: RuntimeName(one_of(*RUNTIMES)(text))),
            ("auto", *RUNTIMES),
        ),
        "device": EngineOption(
            "Of torch: cpu, cuda, or auto for a GPU where there is one.",
            "auto",
            one_of("auto", "cpu", "cuda"),
            ("auto", "cpu", "cuda"),
        ),
        "precision": EngineOption(
            "fp32: exact; bf16: faster, about 50 dB to fp32; fp16: fastest, GPU only, may overflow.",
            "fp32",
            one_of("fp32", "bf16", "fp16"),
            ("fp32", "bf16", "fp16"),
        ),
        "tile": EngineOption(
            "With torch: side in px of the tiles for small memories, an approximation; off: whole frames; auto: tiles "
            "of 256 only where whole frames do not fit.",
            "auto",
            _tile,
            TILES,
        ),
        "brightness": EngineOption(
            "What measurements are multiplied by before the network, 0.000001 to 1000000, or auto.",
            "auto",
            word_or("auto", between(1e-6, 1e6)),
        ),
    }


def _tile(text: str) -> int | None:
    word = one_of(*TILES)(text)
    return None if word == "auto" else 0 if word == "off" else int(word)


def _build(
    network: NetworkSpec,
    choice: Choice,
    runtimes: VideoRuntimes,
    calibration: Calibration,
    options: Mapping[str, object],
) -> Engine:
    from livecassi.engines.networks.engine import VideoSettings
    from livecassi.engines.networks.sliding_window import Frames, Output

    bench = _bench(network, choice, calibration, options)
    hop, brightness = options.get("hop"), options.get("brightness")
    settings = VideoSettings(
        hop if isinstance(hop, int) else 1,
        Output(str(options.get("output") or "latest")),
        Frames(str(options.get("frames") or "video")),
        brightness if isinstance(brightness, float) else None,
    )
    state = bench.card.weights_state if isinstance(bench.card, NetworkCard) else bench.card.state
    note = "" if state is TrainingState.TRAINED else f" ({state})"
    return runtimes.engine(bench, _wish(options), settings, bench.path.name + note)


def _bench(network: NetworkSpec, choice: Choice, calibration: Calibration, options: Mapping[str, object]) -> Bench:
    """The network with the weights that were asked for, or the best. Raises as `Choice.given` and `Choice.best`."""
    known = set(_options(network.frames))
    if unknown := set(options) - known:
        raise EngineError(f"{network.name} has no option {sorted(unknown)}; its options are {sorted(known)}")
    check_bench(calibration, network)
    given = options.get("weights")
    if isinstance(given, Path) and given.suffix == EXPORTED:
        return Bench(network, calibration, given, _exported_card(network, calibration, given))
    path, card = choice.given(given, calibration) if isinstance(given, Path) else choice.best(calibration)
    return Bench(network, calibration, path, card)


def _exported_card(network: NetworkSpec, calibration: Calibration, path: Path) -> NetworkCard:
    """Raises `NetworkFileError`, `EngineUnavailableError` (untrained) or `EngineMismatchError`."""
    card = read_network_card(path)
    check_trained(path, card.weights_state)
    check_made_for(path, ("network", card.network, network.name), ("system", card.system, calibration.system))
    if misfit := band_misfit(card, path, calibration, LARGEST_BAND_ERROR_NM):
        raise EngineMismatchError(misfit)
    return card


def _wish(options: Mapping[str, object]) -> Wish:
    runtime, tile = options.get("runtime"), options.get("tile")
    return Wish(
        runtime if isinstance(runtime, RuntimeName) else None,
        str(options.get("device") or "auto"),
        Precision(str(options.get("precision") or "fp32")),
        tile if isinstance(tile, int) else None,
    )


def _choice(network: NetworkSpec, find_weights: FindWeights) -> Choice:
    return Choice(
        network.name,
        network.systems,
        find_weights,
        partial(band_misfit, largest_error_nm=LARGEST_BAND_ERROR_NM),
        lambda system: (
            f"import a checkpoint with 'livecassi weights import CHECKPOINT --network {network.name} --system "
            f"{system}', or choose a file by the option weights=FILE"
        ),
        "missing: 'livecassi weights import' takes the authors' checkpoint",
    )


def _unfit(network: NetworkSpec, choice: Choice, calibration: Calibration) -> str:
    try:
        check_bench(calibration, network)
    except EngineMismatchError as error:
        return str(error)
    if lacking := choice.unfit(calibration):
        return lacking
    if "torch" in find_export(network.name).missing():
        return (
            f"{network.name} runs on torch or is exported by it, and torch is not installed here; install it with: pip "
            "install 'livecassi[torch,onnx]', or choose a network exported elsewhere by the option weights=FILE.onnx"
        )
    return ""


def _wanting(network: NetworkSpec, choice: Choice, calibration: Calibration) -> str:
    """The option weights, where the bench would do and only weights that fit it, or run without torch, are missing."""
    try:
        check_bench(calibration, network)
    except EngineMismatchError:
        return ""
    return "weights" if _unfit(network, choice, calibration) else ""
