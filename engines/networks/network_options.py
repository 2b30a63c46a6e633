"""The options of engines that run a network, in an operator's words."""

from collections.abc import Callable, Mapping
from pathlib import Path

from livecassi.engines.networks.choosing import weights_option
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.networks.video_runtimes import EXPORTED, RUNTIMES, Wish
from livecassi.engines.option_parsing import between, one_of, word_or
from livecassi.engines.precision import Precision
from livecassi.engines.registry import EngineOption
from livecassi.engines.runtimes.contract import RuntimeName

TILES = ("auto", "off", "128", "256", "384", "512")
ADAPT, STARTS = "adapt", "starts"
MOST_STARTS = 8


def network_options(network: NetworkSpec, weights_folder: Callable[[], Path] = Path.home) -> dict[str, EngineOption]:
    """All options of a network's engine; who chooses a file of weights looks in `weights_folder` first."""
    return {
        **(_of_video(network.frames) if network.frames > 1 else {}),
        "weights": weights_option(weights_folder, EXPORTED),
        **({ADAPT: _adapt()} if network.follows_shifts else {}),
        **({STARTS: _starts()} if network.with_prior else {}),
        **_of_runtimes(),
        "brightness": EngineOption(
            "What measurements are multiplied by before the network, 0.000001 to 1000000, or auto.",
            "auto",
            word_or("auto", between(1e-6, 1e6)),
        ),
    }


def wish(options: Mapping[str, object]) -> Wish:
    """Where a network is to run, from parsed options."""
    runtime, tile, starts = options.get("runtime"), options.get("tile"), options.get(STARTS)
    return Wish(
        runtime if isinstance(runtime, RuntimeName) else None,
        str(options.get("device") or "auto"),
        Precision(str(options.get("precision") or "fp32")),
        tile if isinstance(tile, int) else None,
        starts if isinstance(starts, int) else 1,
    )


def _of_video(frames: int) -> dict[str, EngineOption]:
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
    }


def _adapt() -> EngineOption:
    return EngineOption(
        "yes: weights that were made for somewhat other bands or shifts are taken all the same: the network is told "
        "its own bands through the calibrated mask, and its cubes are resampled to those of the bench: an "
        "approximation.",
        "no",
        lambda text: one_of("no", "yes")(text) == "yes",
        ("no", "yes"),
    )


def _starts() -> EngineOption:
    counts = tuple(str(count) for count in range(1, MOST_STARTS + 1))
    return EngineOption(
        f"Starting noises of the prior, 1 to {MOST_STARTS}: the cube is the mean over them, and their spread says how "
        "unsure the prior is; each costs a pass, with torch.",
        "1",
        lambda text: int(one_of(*counts)(text)),
        counts,
    )


def _of_runtimes() -> dict[str, EngineOption]:
    return {
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
    }


def _tile(text: str) -> int | None:
    word = one_of(*TILES)(text)
    return None if word == "auto" else 0 if word == "off" else int(word)
