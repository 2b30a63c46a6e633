"""TensorRT's measurements of kernels, kept between builds: the next network for a GPU takes a tenth of the time.

TensorRT-RTX has none.
"""

import logging
from pathlib import Path

from livecassi.engines.errors import PreparationError
from livecassi.engines.runtimes.files import write_prepared
from livecassi.engines.runtimes.tensorrt.api import BuilderConfig, TimingCache

log = logging.getLogger(__name__)


def attach(config: BuilderConfig, path: Path) -> TimingCache | None:
    """Let the builder use what is in the file, nothing where it is missing, damaged or of another GPU or version."""
    try:
        kept = path.read_bytes()
    except OSError:
        kept = b""
    for content in (kept, b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
    return None


def keep(cache: TimingCache, path: Path) -> None:
    """Write what was measured; a build that succeeded does not fail for it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_prepared(path, bytes(cache.serialize()))
    except (OSError, PreparationError) as error:
        log.warning("the timing cache %s was not kept: %s", path, error)
