"""How the texts of engine options are read. Every parser raises ValueError with what was found and expected."""

from collections.abc import Callable


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number from `low` to `high`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"found '{text}', expected a whole number") from None
        if not low <= value <= high:
            raise ValueError(f"found {value}, expected {low} to {high}")
        return value

    return parse


def word_or(word: str, parse: Callable[[str], object]) -> Callable[[str], object]:
    """None for `word`, else what `parse` makes of the text."""

    def parse_or(text: str) -> object:
        if text == word:
            return None
        try:
            return parse(text)
        except ValueError as error:
            raise ValueError(f"{error}, or '{word}'") from None

    return parse_or


def between(low: float, high: float) -> Callable[[str], float]:
    """A number from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"found '{text}', expected a number") from None
        if not low <= value <= high:
            raise ValueError(f"found {text}, expected {low:g} to {high:g}")
        return value

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """One of these words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"found '{text}', expected one of {', '.join(words)}")
        return text

    return parse


def switch(text: str) -> bool:
    """True for on, False for off."""
    return one_of("on", "off")(text) == "on"
