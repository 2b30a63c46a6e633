"""Scores of the live network while it is trained: on the scenes of the protocol, still, noisy and moving."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import Module

from livecassi.calibration import Calibration, sensing_model
from livecassi.engines.gap_tv.row_pool import RowPool
from livecassi.engines.metrics import Scores, score
from livecassi.engines.networks.live.curves import Curves
from livecassi.engines.networks.live.start import GRID, Start, Started
from livecassi.engines.protocol import MOVING_FRAMES, SIDE, add_noise
from livecassi.engines.training.benches import part_of_bench
from livecassi.engines.training.validation import ValidationScenes

Array32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Case:
    """A start `(F, H, W)` and the truth `(C, H, W)` behind it. `kind`: still, noisy or moving."""

    kind: str
    features: Array32
    brightness: float
    truth: Array32


@dataclass(slots=True)
class Validation:
    """Scores of networks on a bench. The starts do not depend on the network and are made once."""

    bench: Calibration
    curves: Curves
    scenes: ValidationScenes
    _cases: list[Case] = field(default_factory=list)

    def scores(self, network: Module) -> dict[str, float]:
        """Means over the scenes, PSNR in dB, SAM in degrees; `start_psnr_db` is that of the start alone.

        Raises `ProtocolError` where a scene is missing.
        """
        if not self._cases:
            self._cases.extend(self._made())
        device = next(network.parameters()).device
        found: dict[str, list[float]] = {}
        for case in self._cases:
            with torch.inference_mode():
                features = torch.from_numpy(_padded(case.features))[None].to(device)
                corrections = network(features)[0].float().cpu().numpy()
            start = case.features[: len(self.curves.spread)]
            mended = self._scored(case, start, corrections[:, : start.shape[1], : start.shape[2]])
            name = {"still": "psnr_db", "noisy": "noisy_psnr_db", "moving": "moving_psnr_db"}[case.kind]
            found.setdefault(name, []).append(mended.psnr_db)
            if case.kind == "still":
                found.setdefault("ssim", []).append(mended.ssim)
                found.setdefault("sam_deg", []).append(mended.sam_deg)
            untouched = self._scored(case, start, np.zeros_like(corrections[:, : start.shape[1], : start.shape[2]]))
            found.setdefault(f"start_{name}", []).append(untouched.psnr_db)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def _scored(self, case: Case, start: Array32, corrections: Array32) -> Scores:
        coefficients = corrections.copy()
        coefficients[: len(start)] += start
        unit = self.curves.at(self.bench.wavelengths_nm) * np.float32(case.brightness)
        return score(np.tensordot(unit, coefficients, axes=1), case.truth)

    def _made(self) -> Iterator[Case]:
        _, rows, columns = self.bench.cube_shape
        bench = part_of_bench(self.bench, min(rows, SIDE), min(columns, SIDE))
        model = sensing_model(bench)
        _, height, width = bench.cube_shape
        with RowPool(1) as pool:
            start = Start(bench, self.curves, pool)
            for clip in self.scenes.clips(MOVING_FRAMES, bench.wavelengths_nm, height, width):
                measured = [model.forward(np.ascontiguousarray(truth)) for truth in clip]
                for kind, values in (("still", measured[0]), ("noisy", add_noise(measured[0]))):
                    start.reset()
                    yield _case(kind, start.follow(values, 1), clip[0])
                start.reset()
                for index, values in enumerate(measured, 1):
                    started = start.follow(values, index)
                yield _case("moving", started, clip[-1])


def _case(kind: str, started: Started, truth: Array32) -> Case:
    return Case(kind, started.features.copy(), started.brightness, truth)


def _padded(features: Array32) -> Array32:
    margins = [(0, -length % GRID) for length in features.shape[1:]]
    return np.pad(features, [(0, 0), *margins], mode="edge")
