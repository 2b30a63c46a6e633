"""`livecassi record`: from a source to disk without a window."""

from pathlib import Path
from typing import Annotated

import typer

from livecassi.app.commands.source_options import (
    BandsOption,
    CalibrationOption,
    EngineOption,
    ProducerOption,
    RateOption,
    SeedOption,
    SettingOption,
    SizeOption,
    SourceArgument,
    SystemOption,
    parse_options,
    request_source,
)

POLL_S = 0.2


def record(
    out: Annotated[Path, typer.Option(help="A new folder for the recording.")],
    source: SourceArgument = "prototype",
    seconds: Annotated[float | None, typer.Option(min=0.0, help="Stop after this time.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after this many frames.")] = None,
    cubes: Annotated[
        bool, typer.Option(help="Keep reconstructed cubes (float16) too: as many as the engine makes in time.")
    ] = False,
    calibration: CalibrationOption = None,
    engine: EngineOption = "auto",
    option: SettingOption = None,
    system: SystemOption = "dd-cassi",
    size: SizeOption = "256",
    seed: SeedOption = 0,
    bands: BandsOption = None,
    rate: RateOption = None,
    producer: ProducerOption = None,
    exposure: Annotated[float | None, typer.Option(help="Exposure in microseconds.")] = None,
    gain: Annotated[float | None, typer.Option(help="Gain in dB.")] = None,
) -> None:
    """Record a source until the time, the number of frames, its end, or Ctrl+C. Every frame goes to disk."""
    if not cubes and (engine != "auto" or option):
        raise typer.BadParameter(
            "an engine was chosen, and no cubes are kept: add --cubes, or leave out --engine and --option; recorded "
            "frames can be reconstructed at any time with 'livecassi reconstruct'"
        )
    request = request_source(
        source,
        calibration=calibration,
        system=system,
        size=size,
        seed=seed,
        bands=bands,
        rate=rate,
        producer=producer,
        loop=False,
    )
    import time

    from livecassi.app.engine_choice import build_chosen, chosen_engine, prepare_engine
    from livecassi.app.engine_list import engine_specs
    from livecassi.app.opening import open_session
    from livecassi.app.progress import doing, progress
    from livecassi.app.recording import RecordingOptions
    from livecassi.app.session import SessionState
    from livecassi.drivers import SourceSettings

    specs = engine_specs()
    options = parse_options(option)
    with open_session(request) as session, progress("recording", frames) as report:
        session.configure(SourceSettings(exposure_us=exposure, gain_db=gain, frame_rate_hz=rate))
        if cubes:
            name = chosen_engine(specs, engine, session.calibration, options)
            with doing() as watch:
                prepare_engine(specs, engine, session.calibration, options, watch)
            session.use_engine(name, lambda: build_chosen(specs, engine, session.calibration, options))
            while session.stats().building:
                time.sleep(POLL_S)
            if error := session.take_error():
                raise error
        session.start_recording(out, RecordingOptions(cubes=cubes), frames=frames)
        session.start()
        started = time.monotonic()
        try:
            while session.recording and session.stats().state in (SessionState.RUNNING, SessionState.ENDED):
                if seconds is not None and time.monotonic() - started >= seconds:
                    break
                time.sleep(POLL_S)
                stats = session.stats().recorder
                if stats is not None:
                    report(stats.frames_written)
        except KeyboardInterrupt:
            typer.echo("stopped; what was recorded is kept", err=True)
        error = session.take_error()
        session.stop()
        final = session.stats().recorder
    if final is not None:
        typer.echo(
            f"{out}: {final.frames_written} frames, {final.dropped} dropped, {final.lost} lost by the source, "
            f"{final.bytes_written / 1e6:.1f} MB"
        )
    if final is not None and final.error and error is None:
        from livecassi.app.recording import RecordingError

        raise RecordingError(final.error)
    if error is not None:
        raise error
