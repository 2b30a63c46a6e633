"""One lock for each entry of the cache, which processes and threads share as files and which ends with its process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from livecassi.engines.errors import PreparationCancelledError
from livecassi.engines.runtimes.cache_folder import CacheError, cannot_write
from livecassi.engines.runtimes.preparation import Progress

_LOOK_SECONDS = 0.1  # how often one who waits looks whether it is still wanted


class CacheLocks:
    """The locks of the entries in `folder`, by key. Every method raises `CacheError` where no lock can be made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def held(self, key: str, progress: Progress) -> Iterator[None]:
        """Held inside the block, after everybody else. Raises `PreparationCancelledError`."""
        lock = self._lock(key)
        try:
            while not _taken(lock, _LOOK_SECONDS):
                if progress.cancelled:
                    raise PreparationCancelledError("nobody waits for the network any more")
                progress.say("waiting for another livecassi, which prepares the same network")
        except (OSError, NotImplementedError) as error:
            raise CacheError(
                f"{self._folder} cannot be locked ({error}); make it writable, or name another folder on a disk of "
                "this machine"
            ) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def unless_held(self, key: str) -> Iterator[bool]:
        """True, and held inside the block, unless somebody else holds it."""
        lock = self._lock(key)
        try:
            free = _taken(lock, 0)
        except (OSError, NotImplementedError):
            free = False
        try:
            yield free
        finally:
            lock.release()

    def _lock(self, key: str) -> FileLock:
        folder = self._folder / "locks"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise cannot_write(error, self._folder, 0) from error
        return FileLock(folder / f"{key}.lock", thread_local=False)


def _taken(lock: FileLock, seconds: float) -> bool:
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        return False
    return True
