"""Where files of weights lie: those that come with livecassi, and the user's own."""

import os
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from pathlib import Path

from platformdirs import user_data_path

from livecassi.calibration import System
from livecassi.engines.errors import WeightsError
from livecassi.engines.weights import WeightsCard, read_card

SUFFIX = ".safetensors"
FOLDER_VARIABLE = "LIVECASSI_WEIGHTS"
REMEMBERED = 512  # cards: every engine of a list asks for all of them, a dozen times when a window opens it


class Place(StrEnum):
    """Whose a file of weights is."""

    USER = "user"
    SHIPPED = "shipped"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file of weights that engines can use."""

    path: Path
    place: Place
    card: WeightsCard


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file in the place of weights that cannot be used, and why."""

    path: Path
    place: Place
    reason: str


def user_folder() -> Path:
    """The user's folder of weights, which may not be there yet; the variable `LIVECASSI_WEIGHTS` names another."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else user_data_path("livecassi", appauthor=False) / "weights"


def shipped_folder() -> Path:
    """The folder of weights inside the installed livecassi; it is not there where none were shipped."""
    return Path(str(resources.files("livecassi.resources").joinpath("weights")))


def look_for_weights(user: Path | None = None, shipped: Path | None = None) -> tuple[list[WeightsFile], list[Unusable]]:
    """Every file of weights, best first: the user's own before the shipped, newer before older; and what is unusable.

    Only cards are read, and again only where a file has changed. Other folders than the usual two can be given.
    """
    usable: list[WeightsFile] = []
    unusable: list[Unusable] = []
    for place, folder in ((Place.USER, user or user_folder()), (Place.SHIPPED, shipped or shipped_folder())):
        found: list[WeightsFile] = []
        for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []:
            card = _card(path)
            if isinstance(card, WeightsCard):
                found.append(WeightsFile(path, place, card))
            else:
                unusable.append(Unusable(path, place, card))
        usable += sorted(found, key=lambda file: file.card.created, reverse=True)
    return usable, unusable


def find_weights(
    network: str, system: System | str, user: Path | None = None, shipped: Path | None = None
) -> list[WeightsFile]:
    """The files of weights for this network and system, best first, in the order of `look_for_weights`."""
    usable, _ = look_for_weights(user, shipped)
    return [file for file in usable if file.card.network == network and file.card.system == system]


def _card(path: Path) -> WeightsCard | str:
    """The card of a file, or why it has none."""
    try:
        present = path.stat()
    except OSError:
        return _read(path)
    return _remembered(path, present.st_mtime_ns, present.st_ctime_ns, present.st_size, present.st_ino)


@lru_cache(REMEMBERED)
def _remembered(path: Path, *_version: int) -> WeightsCard | str:
    return _read(path)


def _read(path: Path) -> WeightsCard | str:
    try:
        return read_card(path)
    except WeightsError as error:
        return str(error)
