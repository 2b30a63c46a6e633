"""A pool of samples on disk: a start costs more than a training step, so that each is made once and cut up often."""

import io
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livecassi.engines.errors import TrainingError
from livecassi.engines.networks.live.samples import LiveSample


@dataclass(frozen=True, slots=True)
class SamplePool:
    """Numbered samples in `folder`; `make(number)` makes one, always the same for the same number.

    Several processes may ask for the same sample at once: the last one to make it wins, and all made the same.
    """

    folder: Path
    make: Callable[[int], LiveSample]

    def sample(self, number: int) -> LiveSample:
        """A sample, made where it is not there yet; its arrays are read from disk as they are used.

        Raises `TrainingError` where the folder cannot be written.
        """
        path = self.folder / f"{number:06d}.npy"
        record = self._kept(path)
        if record is None:
            sample = self.make(number)
            self._keep(path, _record(sample))
            return sample
        return LiveSample(record["features"], record["corrections"], float(record["brightness"]))

    def _kept(self, path: Path) -> np.ndarray | None:
        try:
            loaded = np.load(path, mmap_mode="r")
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError):  # cut off by a crash: made again
            return None
        return loaded if loaded.dtype.names == ("features", "corrections", "brightness") else None

    def _keep(self, path: Path, record: np.ndarray) -> None:
        content = io.BytesIO()
        np.save(content, record)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(content.getbuffer())  # `np.save` into a file does not say that a disk is full
            partial.replace(path)
        except OSError as error:
            raise TrainingError(
                f"samples cannot be kept in {self.folder} ({error.strerror or error}); free some space there, or name "
                "another folder by the recipe's key network.cache"
            ) from error
        finally:
            with suppress(OSError):  # the folder itself may be what fails
                partial.unlink(missing_ok=True)


def _record(sample: LiveSample) -> np.ndarray:
    fields = [
        ("features", np.float16, sample.features.shape),
        ("corrections", np.float16, sample.corrections.shape),
        ("brightness", np.float32),
    ]
    record = np.zeros((), fields)
    record["features"], record["corrections"] = sample.features, sample.corrections
    record["brightness"] = sample.brightness
    return record
