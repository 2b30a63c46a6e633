"""Exported networks that were widened to take the raw frames of a camera, as they are kept."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from livecassi.engines.runtimes.cache import ArtefactCache
from livecassi.engines.runtimes.cache_entry import Field
from livecassi.engines.runtimes.preparation import Progress

WIDENED = "network.onnx"
SCHEMA = 1  # raised where `exporting.frame_graph` makes another graph of the same network


@dataclass(frozen=True, slots=True)
class CameraFrames:
    """The frames that a network on a GPU is to take: of so many `columns`; `table`, see `Colours`."""

    columns: int
    table: NDArray[np.uint8]

    def find(self, network: Path, kept: ArtefactCache) -> Path | None:
        """What the network in an ONNX file was widened to, if it was."""
        found = kept.find(self._fields(network))
        return None if found is None else found.folder / WIDENED

    def widened(self, network: Path, kept: ArtefactCache, progress: Progress) -> Path:
        """The same, made where it is missing. Raises `NetworkFileError` for a network of another form."""

        def build(folder: Path) -> None:
            import onnx

            from livecassi.engines.exporting.frame_graph import with_camera_frames

            progress.say("adding correction and colours to the network")
            model = onnx.load(network)
            length = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
            wide = with_camera_frames(model, self.table, range(length), columns=self.columns)
            (folder / WIDENED).write_bytes(wide.SerializeToString())

        return kept.make(self._fields(network), build, progress).folder / WIDENED

    def _fields(self, network: Path) -> dict[str, Field]:
        return {
            "kind": "network for camera frames",
            "schema": SCHEMA,
            "network": hashlib.sha256(network.read_bytes()).hexdigest(),
            "columns": self.columns,
            "table": hashlib.sha256(self.table.tobytes()).hexdigest(),
        }
