"""Where a video network runs: what an operator asked for, what this machine offers, and what is ready."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livecassi.calibration import Calibration
from livecassi.engines.engine import Engine
from livecassi.engines.errors import EngineMismatchError, EngineUnavailableError, RuntimeUnavailableError
from livecassi.engines.exporting.card import MaskPlace, NetworkCard
from livecassi.engines.exporting.registry import ExportRequest, find_export
from livecassi.engines.frame_engine import Colours
from livecassi.engines.networks.camera_frames import CameraFrames
from livecassi.engines.networks.device_network import LoadedNetwork
from livecassi.engines.networks.engine import VideoEngine, VideoSettings
from livecassi.engines.networks.frame_engine import FrameVideoEngine
from livecassi.engines.networks.inputs import network_mask
from livecassi.engines.networks.loading import require_torch
from livecassi.engines.networks.memory import fits, free_memory
from livecassi.engines.networks.passes import Passes
from livecassi.engines.networks.prepared import ON_NVIDIA, PreparedNetwork, Target
from livecassi.engines.networks.registry import NetworkSpec
from livecassi.engines.networks.runtime_passes import MASK, RuntimePasses
from livecassi.engines.precision import Precision
from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.choosing import TITLES, Chosen, choose_runtime
from livecassi.engines.runtimes.contract import AnyArray, RuntimeName
from livecassi.engines.runtimes.offers import Offer, Place
from livecassi.engines.runtimes.preparation import Preparation
from livecassi.engines.weights import WeightsCard, mask_id

RUNTIMES = tuple(RuntimeName)
EXPORTED = ".onnx"
LARGEST_EXPORTED_ERROR_PX = 0.05  # of a band behind a network that was exported for whole steps and follows shifts


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator asked for; None and "auto" leave it to the machine. `tile` in px, 0 for whole frames.

    `starts`: over how many starting noises of its prior cubes are averaged.
    """

    runtime: RuntimeName | None = None
    device: str = "auto"
    precision: Precision = Precision.FP32
    tile: int | None = None
    starts: int = 1

    @property
    def of_torch(self) -> str:
        """What of it only torch can meet: tiles, several starting noises, or a device by name; or ""."""
        if self.tile:
            return f"tile={self.tile}"
        if self.starts > 1:
            return f"starts={self.starts}"
        return "" if self.device == "auto" else f"device={self.device}"


@dataclass(frozen=True, slots=True)
class Bench:
    """A network with its weights, on one bench: `path` holds the tensors with `card`, or is an exported network."""

    network: NetworkSpec
    calibration: Calibration
    path: Path
    card: WeightsCard | NetworkCard

    @property
    def exported(self) -> NetworkCard | None:
        """The card of an exported network."""
        return self.card if isinstance(self.card, NetworkCard) else None


class VideoRuntimes:
    """Decides where a video network runs, and brings it there. `offered` looks at the machine, which takes a moment.

    With `colours` a network on TensorRT takes raw frames and renders what it makes of them.
    """

    def __init__(
        self,
        offered: Callable[[], tuple[Offer, ...]],
        kept: Callable[[], ArtefactCache],
        colours: Colours | None = None,
    ) -> None:
        self._offered, self._kept, self._colours = offered, kept, colours

    def choose(self, wish: Wish, *, exported: bool = False) -> Chosen:
        """The runtime, and why. Raises `RuntimeUnavailableError`."""
        able = [name for name in RUNTIMES if not (exported and name is RuntimeName.TORCH)]
        if wish.of_torch and (exported or wish.runtime not in (None, RuntimeName.TORCH)):
            other = "an exported network" if exported else f"runtime={wish.runtime}"
            raise RuntimeUnavailableError(
                f"{wish.of_torch} was asked for, which only torch knows, together with {other}; leave one out"
            )
        if wish.of_torch:
            place = Place.CUDA if wish.device == "cuda" else Place.CPU
            return Chosen(RuntimeName.TORCH, place, f"torch: {wish.of_torch} was asked for")
        return choose_runtime(wish.runtime or "auto", able, self._offered())

    def preparation(self, bench: Bench, wish: Wish) -> Preparation | None:
        """What must be made before the chosen runtime starts quickly, or None. Raises as `choose`."""
        chosen = self._settled(bench, wish)
        if chosen.runtime is RuntimeName.TORCH:
            return None
        network = self._network(bench, wish, chosen)
        if network.ready:
            return None
        torch = self._has_torch()
        instead = {"runtime": RuntimeName.TORCH} if torch and bench.exported is None else None
        if instead and wish.precision is Precision.FP16 and chosen.place is Place.CPU:
            instead = None
        return Preparation(
            f"{bench.network.name} for {TITLES[chosen.runtime]}",
            network.prepare,
            instead,
            needed=wish.runtime is not None or instead is None,
        )

    def engine(self, bench: Bench, wish: Wish, settings: VideoSettings, weights: str) -> Engine:
        """The engine, ready. "auto" takes torch where what the chosen runtime needs was not prepared yet.

        `weights` is what is said of where they are from. Raises `EngineUnavailableError`, `EngineMismatchError`, and as
        `TorchPasses`.
        """
        chosen = self._settled(bench, wish)
        if chosen.runtime is not RuntimeName.TORCH:
            network = self._network(bench, wish, chosen)
            if wish.runtime is not None or bench.exported is not None or network.ready:
                if self._camera(bench, chosen) is not None:
                    return self._with_frames(bench, network.frames(), settings, weights)
                passes = RuntimePasses(network.runtime(), str(chosen.place), _constants(bench))
                return _with_measurements(bench, passes, settings, weights)
        return _with_measurements(bench, self._in_torch(bench, wish), settings, weights)

    def _with_frames(self, bench: Bench, network: LoadedNetwork, settings: VideoSettings, weights: str) -> Engine:
        assert self._colours is not None
        try:
            return FrameVideoEngine(bench.network, network, bench.calibration, settings, weights, self._colours)
        except BaseException:
            network.close()
            raise

    def _settled(self, bench: Bench, wish: Wish) -> Chosen:
        """The choice for this bench: "auto" takes torch, too, where whole frames do not fit or cannot be exported."""
        _check_exported(bench)
        chosen = self.choose(wish, exported=bench.exported is not None)
        automatic = wish.runtime is None and wish.tile is None and bench.exported is None
        if not automatic or chosen.runtime is RuntimeName.TORCH:
            return chosen
        if not _fits(bench, chosen.place):
            return Chosen(RuntimeName.TORCH, chosen.place, "torch: whole frames do not fit into the memory")
        missing = find_export(bench.network.name).missing()
        if missing and self._has_torch() and not self._network(bench, wish, chosen).ready:
            reason = f"torch: to export the network for {TITLES[chosen.runtime]}, {' and '.join(missing)} is missing"
            return Chosen(RuntimeName.TORCH, chosen.place, reason)
        return chosen

    def _has_torch(self) -> bool:
        return any(offer.available and offer.runtime is RuntimeName.TORCH for offer in self._offered())

    def _network(self, bench: Bench, wish: Wish, chosen: Chosen) -> PreparedNetwork:
        if wish.precision is Precision.FP16 and chosen.place is Place.CPU:
            raise EngineUnavailableError(
                f"precision=fp16 was asked for on {TITLES[chosen.runtime]}, which is slower than fp32 on a CPU; choose "
                "fp32 or bf16"
            )
        card, camera = bench.exported, self._camera(bench, chosen)
        as_exported = card is not None and chosen.place is Place.CUDA  # there the graph alone says what is rounded
        precision = card.precision if card is not None and as_exported else wish.precision
        target = Target(chosen.runtime, precision, place=chosen.place)
        if card is not None:
            if card.precision is Precision.BF16 and chosen.runtime is RuntimeName.ONNXRUNTIME:
                raise EngineUnavailableError(
                    f"{bench.path} was exported in bf16, which {TITLES[chosen.runtime]} cannot compute; choose "
                    "runtime=openvino, or export the network in fp32"
                )
            return PreparedNetwork(bench.path, card.weights_sha256, target, self._kept(), camera)
        _, height, width = bench.calibration.cube_shape
        request = ExportRequest(
            bench.network.name,
            bench.path,
            bench.calibration.system,
            height,
            width,
            target.exported,
            bench.calibration,
        )
        assert isinstance(bench.card, WeightsCard)
        return PreparedNetwork(request, bench.card.tensors_sha256, target, self._kept(), camera)

    def _camera(self, bench: Bench, chosen: Chosen) -> CameraFrames | None:
        """The raw frames that the network takes there: none that is given its mask with every window."""
        card = bench.exported
        takes_mask = card is not None and card.mask is MaskPlace.INPUT
        if self._colours is None or chosen.runtime not in ON_NVIDIA or takes_mask:
            return None
        return CameraFrames(bench.calibration.measurement_shape[1], self._colours.table)

    def _in_torch(self, bench: Bench, wish: Wish) -> Passes:
        require_torch(bench.network.name)
        from livecassi.engines.networks.runner import Placing, fitting_tile
        from livecassi.engines.networks.torch_passes import TorchPasses

        tile = (
            fitting_tile(wish.device, bench.calibration.cube_shape[1:], bench.network.frames)
            if wish.tile is None
            else wish.tile
        )
        placing = Placing(wish.device, wish.precision, tile)
        return TorchPasses(bench.network.name, bench.path, bench.calibration, placing, wish.starts)


def _with_measurements(bench: Bench, passes: Passes, settings: VideoSettings, weights: str) -> Engine:
    try:
        return VideoEngine(bench.network, passes, bench.calibration, settings, weights)
    except BaseException:
        passes.close()
        raise


def _fits(bench: Bench, place: Place) -> bool:
    """Whether the main memory holds whole frames; what does not fit into a GPU's is told when it is loaded."""
    return place is not Place.CPU or fits(
        bench.calibration.cube_shape[1:], bench.network.frames, "graph", free_memory()
    )


def _check_exported(bench: Bench) -> None:
    """Raises `EngineMismatchError` for an exported network of another size, mask, or shifts that it follows."""
    card, calibration = bench.exported, bench.calibration
    if card is None:
        return
    name = calibration.header.name or calibration.id[:8]
    if (card.height, card.width) != calibration.cube_shape[1:]:
        raise EngineMismatchError(
            f"{bench.path} was exported for scenes of {card.height} x {card.width}, calibration '{name}' has "
            f"{calibration.cube_shape[1]} x {calibration.cube_shape[2]}; export it for this calibration"
        )
    single, follows = calibration.system.single_disperser, bench.network.follows_shifts
    same_mask = card.mask_id == mask_id(calibration.mask) and single and not follows
    if card.mask is MaskPlace.BAKED and card.calibration_id != calibration.id and not same_mask:
        raise EngineMismatchError(
            f"{bench.path} was exported with another mask than that of calibration '{name}'; export it for this "
            "calibration with 'livecassi export-network --calibration'"
        )
    if card.mask is MaskPlace.INPUT and single and follows:
        off = float(np.abs(calibration.dispersion_px - bench.network.step_px * np.arange(calibration.bands)).max())
        if off > LARGEST_EXPORTED_ERROR_PX:
            raise EngineMismatchError(
                f"{bench.path} was exported for bands {bench.network.step_px} px apart, calibration '{name}' has one "
                f"{off:.2f} px off; export it for this calibration with 'livecassi export-network --calibration'"
            )


def _constants(bench: Bench) -> dict[str, AnyArray]:
    """What a network that takes the mask as an input is given with every window."""
    card = bench.exported
    if card is None or card.mask is not MaskPlace.INPUT:
        return {}
    seen = np.broadcast_to(network_mask(bench.calibration), bench.calibration.cube_shape)
    return {MASK: np.ascontiguousarray(seen, np.float32)}
