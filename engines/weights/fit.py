"""Whether tensors are those of a network: names and shapes, and what they look like where they are not."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from livecassi.engines.errors import WeightsError

Shape = tuple[int, ...]
Layout = Mapping[str, Shape]  # the shape of each tensor of a network by name

_SHOWN = 3
_ALIKE = 0.5  # share of common names from which tensors look like those of a network


def check_fit(
    found: Layout,
    wanted: Layout,
    network: str,
    bands: int,
    where: object,
    others: Mapping[str, Callable[[], Layout]],
) -> None:
    """Compare the tensors of a file with those of a network.

    Raises `WeightsError`, one message: how many names are missing, unexpected or of another shape, the first few of
    each, and, where it can be told, which of the `others` or which number of bands the file was made for.
    """
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    misshapen = [name for name in wanted if name in found and found[name] != wanted[name]]
    if not (missing or unexpected or misshapen):
        return
    shapes = [f"{name} {found[name]} instead of {wanted[name]}" for name in misshapen]
    faults = [
        f"{len(names)} {fault} ({first_few(names)})"
        for fault, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if names
    ]
    raise WeightsError(
        f"{where} does not fit network '{network}' ({len(wanted)} tensors; the file has {len(found)}): "
        f"{'; '.join(faults)}. {_advice(found, wanted, network, bands, others)}"
    )


def first_few(names: Sequence[str]) -> str:
    """The first three of a list, for a message."""
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _advice(found: Layout, wanted: Layout, network: str, bands: int, others: Mapping[str, Callable[[], Layout]]) -> str:
    alike = {name: _likeness(found, layout()) for name, layout in others.items() if name != network}
    best = max(alike, key=lambda name: alike[name], default=network)
    if alike.get(best, 0.0) > max(_ALIKE, _likeness(found, wanted)):
        return f"These are the tensors of network '{best}': choose that one"
    trained_for = bands_of(found, wanted, bands)
    if trained_for is not None:
        return f"They look trained for {trained_for} bands, this network has {bands}: use weights for {bands} bands"
    return "Choose the network that these weights belong to, or other weights"


def _likeness(found: Layout, layout: Layout) -> float:
    """Share of tensors with the same name and shape among all names of both."""
    same = sum(layout.get(name) == shape for name, shape in found.items())
    return same / max(1, len(found.keys() | layout.keys()))


def bands_of(found: Layout, wanted: Layout, bands: int) -> int | None:
    """The number of bands that explains every difference of shape by one ratio; None where there is no such number."""
    ratios: set[Fraction] = set()
    for name in found.keys() & wanted.keys():
        if len(found[name]) != len(wanted[name]):
            return None
        pairs = zip(found[name], wanted[name], strict=True)
        ratios |= {Fraction(have, want) for have, want in pairs if have != want and want}
    if len(ratios) != 1:
        return None
    trained_for = bands * ratios.pop()
    return int(trained_for) if trained_for.denominator == 1 and trained_for > 0 else None
