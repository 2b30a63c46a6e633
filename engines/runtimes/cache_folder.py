"""The folder that prepared networks are kept in. Plans and blobs are code: it belongs to its user alone."""

import errno
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_cache_path

from livecassi.engines.errors import PreparationError

CACHE_VARIABLE = "LIVECASSI_CACHE"
PART = ".part"  # the ending of a folder in which an entry is being made
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class CacheError(PreparationError):
    """The folder for prepared networks cannot be used: name another, or mend what the message names."""


def default_cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where prepared networks are kept: the folder that LIVECASSI_CACHE names, else in the user's cache."""
    named = (os.environ if environment is None else environment).get(CACHE_VARIABLE, "")
    return Path(named).expanduser().absolute() if named else user_cache_path("livecassi") / "networks"


def private_folder(folder: Path) -> Path:
    """The folder, made where it is missing, for its user alone. Raises `CacheError`.

    On Windows only its presence is checked: rights there are lists that are inherited from the user's profile, and
    the mode of a folder says nothing about them.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise CacheError(
            f"prepared networks cannot be kept in {folder} ({error.strerror or error}); name another folder by the "
            f"environment variable {CACHE_VARIABLE}"
        ) from error
    if not hasattr(os, "getuid"):
        return folder
    if found.st_uid != os.getuid():
        raise CacheError(
            f"{folder} belongs to user {found.st_uid}, expected {os.getuid()}: what is kept there is executed, so that "
            f"it must be your own; name another folder by the environment variable {CACHE_VARIABLE}"
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise CacheError(
            f"{folder} is open to other users (mode {mode:o}, expected 700), and what is kept there is executed; close "
            f"it with: chmod 700 '{folder}'"
        )
    return folder


def disk_full(error: OSError) -> bool:
    """Whether a disk, a quota or a limit on files was full."""
    return error.errno in _FULL


def cannot_write(error: OSError, folder: Path, needed: int) -> PreparationError:
    """What to tell of a failure to write into `folder`, where at least `needed` bytes were wanted.

    Of an entry that is being made, the cache around it is named.
    """
    folder = folder.parent if folder.suffix == PART else folder
    if disk_full(error):
        return PreparationError(
            f"no space to prepare a network in {folder}: {_free(folder)} free, more than {_size(needed)} needed; free "
            f"some, or name another folder by the environment variable {CACHE_VARIABLE}"
        )
    return CacheError(
        f"a network cannot be prepared in {folder} ({error}); make the folder writable, or name "
        f"another by the environment variable {CACHE_VARIABLE}"
    )


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder, those that vanish meanwhile left out."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).stat().st_size
            except OSError:
                continue
    return total


def _free(folder: Path) -> str:
    try:
        return _size(shutil.disk_usage(folder).free)
    except OSError:
        return "an unknown amount"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
