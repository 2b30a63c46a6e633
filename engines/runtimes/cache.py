"""What was prepared for this machine and is kept: compiled blobs, optimised graphs, TensorRT plans."""

import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from livecassi.engines.errors import PreparationError
from livecassi.engines.runtimes.cache_entry import (
    BUILD_LOG,
    META,
    DamagedEntryError,
    Fields,
    Found,
    describe,
    key_of,
    read_entry,
)
from livecassi.engines.runtimes.cache_folder import PART, cannot_write, private_folder, size_of
from livecassi.engines.runtimes.cache_locks import CacheLocks
from livecassi.engines.runtimes.preparation import Progress, Unwatched

DEFAULT_LIMIT_BYTES = 4 << 30
KEPT_IN_QUARANTINE = 2
KEPT_LOGS = 8  # of builds that failed

log = logging.getLogger(__name__)

Loaded = TypeVar("Loaded")


class ArtefactCache:
    """Files by what they were made from, in a folder of the user's own; the least recently used go first.

    Several processes and threads may use one folder at once: each entry is made by one of them. A folder that is not
    the user's own alone is refused by every method with `CacheError`.
    """

    def __init__(self, folder: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._locks = CacheLocks(folder)

    def find(self, fields: Fields) -> Found | None:
        """The entry made from `fields`, or None; a damaged one is moved aside."""
        folder = private_folder(self.folder) / key_of(fields)
        try:
            found = read_entry(folder, fields)
        except FileNotFoundError:
            return None
        except DamagedEntryError as error:
            self._set_aside(folder, str(error))
            return None
        with suppress(OSError):  # a folder that can only be read serves all the same
            os.utime(folder / META)
        return found

    def make(self, fields: Fields, build: Callable[[Path], None], progress: Progress | None = None) -> Found:
        """The entry made from `fields`: the one that is there, else the files that `build(folder)` writes.

        Waits while another process or thread makes the same. Whatever fails leaves nothing behind but the log.
        Raises `PreparationError` (no space, not writable), `PreparationCancelledError`, and what `build` raises.
        """
        key = key_of(fields)
        if found := self.find(fields):  # needs no lock, which a folder that can only be read would not give
            return found
        with self._locks.held(key, progress or Unwatched()):
            if found := self.find(fields):
                return found
            self._remove_remains(key)
            made = self._built(key, fields, build)
        try:
            self._evict(keep=key)
        except PreparationError as error:  # the entry is there all the same
            log.warning("older prepared networks are kept: %s", error)
        return made

    def use(
        self,
        fields: Fields,
        build: Callable[[Path], None],
        load: Callable[[Found], Loaded],
        progress: Progress | None = None,
    ) -> Loaded:
        """What `load` gives of an entry, made where it is missing; one that `load` refuses is made anew, once.

        `load` refuses by raising `DamagedEntryError`, as `Found.load` does. Raises what `make` raises, what else `load`
        raises, and its second refusal.
        """
        found = self.make(fields, build, progress)
        try:
            return load(found)
        except DamagedEntryError as error:
            self.quarantine(found, str(error))
        return load(self.make(fields, build, progress))

    def quarantine(self, found: Found, reason: str) -> None:
        """Move an entry aside, for people to look at; the last few are kept."""
        self._set_aside(found.folder, reason)

    def log_of(self, fields: Fields) -> Path:
        """Where `build` may write its log: it stays there when it fails, and goes into the entry when not.

        A file `build.log` that it writes into its folder is added to it.
        """
        folder = private_folder(self.folder) / "logs"
        with suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            for old in _newest_last(folder)[:-KEPT_LOGS]:
                old.unlink()
        return folder / f"{key_of(fields)[:16]}.log"

    def size(self) -> int:
        """Bytes of all entries."""
        return sum(size_of(entry) for entry in self._entries())

    # ---- making ----------------------------------------------------------------------------------------------------

    def _built(self, key: str, fields: Fields, build: Callable[[Path], None]) -> Found:
        part = self.folder / f"{key}.{secrets.token_hex(4)}{PART}"
        started = time.monotonic()
        try:
            part.mkdir(mode=0o700)
            try:
                build(part)
            finally:
                self._gather_log(part, self.log_of(fields))
            with suppress(FileNotFoundError):
                self.log_of(fields).replace(part / BUILD_LOG)
            describe(part, fields, time.monotonic() - started)
            part.replace(self.folder / key)
        except OSError as error:
            raise cannot_write(error, self.folder, size_of(part)) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return read_entry(self.folder / key, fields)

    def _gather_log(self, part: Path, gathered: Path) -> None:
        """Add the log that a build left beside what it made, which is removed where the build failed."""
        with suppress(OSError):
            lines = (part / BUILD_LOG).read_bytes()
            with gathered.open("ab") as file:
                file.write(lines)
            (part / BUILD_LOG).unlink()

    def _remove_remains(self, held: str) -> None:
        """Remove what processes left that died while they built: nobody holds its lock any more."""
        for part in self.folder.glob(f"*{PART}"):
            key = part.name.split(".")[0]
            if key == held:
                shutil.rmtree(part, ignore_errors=True)
                continue
            with self._locks.unless_held(key) as free:
                if free:
                    shutil.rmtree(part, ignore_errors=True)

    # ---- removing --------------------------------------------------------------------------------------------------

    def _entries(self) -> list[Path]:
        """The folders of entries, the least recently used first."""
        used = []
        for meta in self.folder.glob(f"*/{META}"):
            with suppress(OSError):
                if "." not in meta.parent.name and meta.parent.parent == self.folder:
                    used.append((meta.stat().st_mtime_ns, meta.parent))
        return [folder for _, folder in sorted(used)]

    def _evict(self, keep: str) -> None:
        total = self.size()
        for entry in self._entries():
            if total <= self.limit_bytes:
                return
            if entry.name == keep:
                continue
            with self._locks.unless_held(entry.name) as free:
                if free:
                    total -= size_of(entry)
                    self._remove(entry)

    def _remove(self, entry: Path) -> None:
        """Out of sight in one step, so that nobody finds half an entry."""
        part = entry.with_name(f"{entry.name}.{secrets.token_hex(4)}{PART}")
        with suppress(OSError):
            entry.replace(part)
            shutil.rmtree(part, ignore_errors=True)
            log.info("removed %s, the least recently used of the prepared networks", entry)

    def _set_aside(self, entry: Path, reason: str) -> None:
        aside = self.folder / "quarantine"
        try:
            aside.mkdir(mode=0o700, exist_ok=True)
            moved = aside / f"{entry.name}.{secrets.token_hex(4)}"
            entry.replace(moved)
            os.utime(moved)  # the folder keeps the times of its making otherwise
            log.warning("%s is made anew (it was moved to %s): %s", entry.name, moved, reason)
            kept = _newest_last(aside)
        except OSError as error:
            log.warning("%s is not used (%s), and cannot be moved: %s", entry, reason, error.strerror or error)
            return
        for old in kept[:-KEPT_IN_QUARANTINE]:
            shutil.rmtree(old, ignore_errors=True)


def _newest_last(folder: Path) -> list[Path]:
    """What is in a folder, by its time. Raises OSError."""
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
