"""The command `livecassi`. Nothing heavy is imported before a command runs, so that `--help` answers at once."""

import os
import sys

import typer

from livecassi.app.commands.benchmark import benchmark_app
from livecassi.app.commands.calibrate import calibrate_app
from livecassi.app.commands.doctor import doctor
from livecassi.app.commands.engines import engines
from livecassi.app.commands.evaluate import evaluate
from livecassi.app.commands.export_network import export_network
from livecassi.app.commands.reconstruct import reconstruct
from livecassi.app.commands.record import record
from livecassi.app.commands.recording import recording_app
from livecassi.app.commands.simulate import simulate
from livecassi.app.commands.train import train
from livecassi.app.commands.view import view
from livecassi.app.commands.weights import weights_app

EXIT_REFUSED = 2
EXIT_UNEXPECTED = 1
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="livecassi",
    help="Live hyperspectral video from coded-aperture snapshot spectral imagers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"livecassi {version('livecassi')}")
        raise typer.Exit


@app.callback()
def options(
    _show_version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens to standard error."),
) -> None:
    """Live hyperspectral video from coded-aperture snapshot spectral imagers."""
    import logging

    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )


app.command()(view)
app.command()(simulate)
app.command()(record)
app.command()(reconstruct)
app.command()(evaluate)
app.add_typer(calibrate_app)
app.add_typer(recording_app)
app.add_typer(benchmark_app)
app.add_typer(weights_app)
app.command("export-network")(export_network)
app.command()(train)
app.command()(engines)
app.command()(doctor)


def main() -> None:
    """Run the command line; a refusal is one clear message and exit code 2."""
    try:
        _run()
    except SystemExit as ended:
        _leave_stuck_threads(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
        raise


def _leave_stuck_threads(code: int) -> None:
    """End the process here and now where a session had to leave a thread behind.

    In the midst of a pass of a network, or in a vendor's library, it would abort the interpreter's own end.
    """
    import logging
    import threading

    threads = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    if not any(thread.daemon and thread.name.startswith("livecassi-") for thread in threads):
        return
    for thread in threads:
        if not thread.daemon:  # a recording that is being written is waited for, as at any end
            thread.join()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run() -> None:
    # Engine, simulated bench and screen run side by side, and idle BLAS threads spin: with one thread each the live
    # view reconstructs half as many cubes again. Read when numpy is imported, which nothing has done yet.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Threads of torch wait for their next part of the work by spinning, far too long beside other work: a pass of a
    # network then takes four times as long. A short spin costs nothing on an idle machine.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:
        from livecassi.drivers.errors import LivecassiError

        if isinstance(error, LivecassiError):
            typer.echo(f"livecassi: {error}", err=True)
            sys.exit(EXIT_REFUSED)
        import logging

        logging.getLogger(__name__).exception("unexpected error")
        typer.echo(
            f"livecassi: unexpected {type(error).__name__}: {error}. This is a defect of livecassi: "
            "please report it with the lines above and the output of 'livecassi doctor --json'",
            err=True,
        )
        sys.exit(EXIT_UNEXPECTED)


if __name__ == "__main__":
    main()
