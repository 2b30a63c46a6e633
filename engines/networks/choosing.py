"""Which file of weights an engine takes: the one that was asked for, or the best that fits the bench."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from livecassi.calibration import Calibration, System
from livecassi.engines.errors import EngineMismatchError, EngineUnavailableError
from livecassi.engines.networks.loading import check_made_for
from livecassi.engines.option_parsing import word_or
from livecassi.engines.registry import EngineOption, OptionFiles
from livecassi.engines.weights import TrainingState, WeightsCard, read_card


class FoundWeights(Protocol):
    """A file of weights with its card."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    @property
    def card(self) -> WeightsCard:
        """What it says about itself."""
        ...


class Banded(Protocol):
    """What says which bands a network was made for."""

    @property
    def wavelengths_nm(self) -> tuple[float, ...] | None:
        """Band centres, None where nobody knows."""
        ...


FindWeights = Callable[[str, System], Sequence[FoundWeights]]
Misfit = Callable[[WeightsCard, Path, Calibration], str]


@dataclass(frozen=True, slots=True)
class Choice:
    """How a network chooses its weights.

    `find(name, system)` lists the files that may be used, best first; `misfit(card, path, calibration)` says why
    weights do not serve a calibration, or ""; `advice(system)` what to do where there are none.
    """

    network: str
    systems: frozenset[System]
    find: FindWeights
    misfit: Misfit
    advice: Callable[[System], str]
    none: str

    def read(self, path: Path, system: System) -> WeightsCard:
        """The card of a file. Raises `EngineUnavailableError` (untrained) or `EngineMismatchError` (for others)."""
        card = read_card(path)
        check_trained(path, card.state)
        check_made_for(path, ("network", card.network, self.network), ("system", card.system, system))
        return card

    def given(self, path: Path, calibration: Calibration) -> tuple[Path, WeightsCard]:
        """The file that was asked for. Raises `EngineUnavailableError` (untrained) or `EngineMismatchError`."""
        card = self.read(path, calibration.system)
        if misfit := self.misfit(card, path, calibration):
            raise EngineMismatchError(misfit)
        return path, card

    def best(self, calibration: Calibration) -> tuple[Path, WeightsCard]:
        """The best file that fits. Raises `EngineUnavailableError` (none) or `EngineMismatchError` (none that fits)."""
        found = self.usable(calibration.system)
        if not found:
            raise EngineUnavailableError(f"engine '{self.network}' cannot run: {self.lacking(calibration.system)}")
        misfits = [self.misfit(file.card, file.path, calibration) for file in found]
        for file, misfit in zip(found, misfits, strict=True):
            if not misfit:
                return file.path, file.card
        raise EngineMismatchError(misfits[0])

    def unfit(self, calibration: Calibration) -> str:
        """Why no file serves a calibration, or ""."""
        try:
            self.best(calibration)
        except EngineUnavailableError:
            return self.lacking(calibration.system)
        except EngineMismatchError as error:
            return str(error)
        return ""

    def usable(self, system: System) -> list[FoundWeights]:
        """The files with weights that were trained, best first."""
        return [file for file in self.find(self.network, system) if file.card.state is not TrainingState.UNTRAINED]

    def lacking(self, system: System) -> str:
        """That there are no trained weights, and what to do."""
        return f"no trained weights for {self.network} and {system}; {self.advice(system)}"

    def in_words(self) -> str:
        """The best weights of each system in a line."""
        lines = []
        for system in sorted(self.systems):
            if files := self.usable(system):
                best = files[0]
                lines.append(f"{system}: {best.path.name} ({best.card.state})")
        return "; ".join(lines) or self.none


def check_trained(path: Path, state: TrainingState) -> None:
    """Raises `EngineUnavailableError` for a network that was never trained."""
    if state is TrainingState.UNTRAINED:
        raise EngineUnavailableError(
            f"the weights {path} are untrained: what they show would look like a reconstruction and mean nothing; "
            "choose trained weights, see 'livecassi weights list'"
        )


def band_misfit(card: Banded, path: Path, calibration: Calibration, largest_error_nm: float) -> str:
    """Which band the weights were trained for at another wavelength, or ""."""
    if card.wavelengths_nm is None or len(card.wavelengths_nm) != calibration.bands:
        return ""
    error = np.abs(np.array(card.wavelengths_nm) - calibration.wavelengths_nm)
    if error.max() <= largest_error_nm:
        return ""
    band = int(error.argmax())
    return (
        f"the weights {path.name} were trained for band {band} at {card.wavelengths_nm[band]:g} nm, calibration "
        f"'{calibration.header.name or calibration.id[:8]}' has it at {calibration.wavelengths_nm[band]:g} nm; "
        "choose weights that were trained for these bands"
    )


def weights_option(folder: Callable[[], Path], exported: str = "") -> EngineOption:
    """The option by which an operator chooses a file of weights, looked for in `folder` first.

    `exported` is the ending of exported networks, where they may be chosen too.
    """
    also = f", an exported network ({exported}, see 'livecassi export-network')" if exported else ""
    return EngineOption(
        f"A file of weights (.safetensors, see 'livecassi weights'){also}, or auto for the best that fits.",
        "auto",
        word_or("auto", lambda text: Path(text).expanduser()),
        files=OptionFiles("Weights", (".safetensors", exported) if exported else (".safetensors",), folder),
    )
