"""The options by which every command names its source, and their translation into a request."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from livecassi.app.opening import SourceRequest

SourceArgument = Annotated[
    str,
    typer.Argument(
        help="'prototype' (a simulated bench), a recording folder, measured frames (.mat .npy .png .tif), "
        "'camera' or 'camera:SERIAL'"
    ),
]
CalibrationOption = Annotated[
    Path | None, typer.Option("--calibration", "-c", help="Calibration file; a recording brings its own.")
]
SystemOption = Annotated[str, typer.Option(help="Simulated bench: sd-cassi, dd-cassi, pmvis or ndssi.")]
SizeOption = Annotated[str, typer.Option(help="Simulated bench: scene size as HEIGHTxWIDTH or one number.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Simulated bench: the same seed gives the same frames.")]
BandsOption = Annotated[
    int | None, typer.Option(help="Simulated SD-CASSI bench: 28 bands, 450-650 nm, or 30, 410-700 nm; default 28.")
]
RateOption = Annotated[float | None, typer.Option(help="Frames per second asked of the source; default: its own.")]
ProducerOption = Annotated[Path | None, typer.Option(help="GenTL producer (.cti) of the camera's vendor.")]
EngineOption = Annotated[
    str, typer.Option("--engine", "-e", help="See 'livecassi engines'; auto: the best that serves the bench.")
]
SettingOption = Annotated[
    list[str] | None, typer.Option("--option", "-o", help="Engine option as key=value; may be repeated.")
]


@dataclass(frozen=True, slots=True)
class BenchSize:
    """Rows and columns of a simulated scene."""

    height: int
    width: int


def parse_size(text: str) -> BenchSize:
    """`256`, `256x320` or `256X320`. Raises `typer.BadParameter`."""
    parts = text.lower().split("x")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(64 <= number <= 4096 for number in numbers):
        raise typer.BadParameter(f"size '{text}': expected HEIGHTxWIDTH or one number, each 64..4096, e.g. 256x320")
    return BenchSize(numbers[0], numbers[-1])


def parse_options(pairs: list[str] | None) -> dict[str, str]:
    """`key=value` pairs as a dictionary. Raises `typer.BadParameter`."""
    options: dict[str, str] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise typer.BadParameter(f"option '{pair}': expected key=value, e.g. iterations=80")
        options[key.strip()] = value.strip()
    return options


def request_source(
    source: str,
    *,
    calibration: Path | None,
    system: str,
    size: str,
    seed: int,
    bands: int | None,
    rate: float | None,
    producer: Path | None,
    loop: bool,
) -> "SourceRequest":
    """The request behind a command's options. Raises `SourceNotFoundError` or `typer.BadParameter`."""
    from livecassi.app.opening import parse_source
    from livecassi.calibration import System

    if system not in tuple(System):
        raise typer.BadParameter(f"system '{system}': expected one of {', '.join(System)}")
    if rate is not None and not 0 < rate <= 10_000:
        raise typer.BadParameter(f"rate {rate:g}: expected frames per second in 0..10000")
    bench = parse_size(size)
    return replace(
        parse_source(source),
        calibration=calibration,
        system=System(system),
        height=bench.height,
        width=bench.width,
        seed=seed,
        bands=bands,
        frame_rate_hz=rate,
        loop=loop,
        producer=producer,
    )
