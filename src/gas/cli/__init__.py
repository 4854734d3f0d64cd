"""The ``gas`` command. Each module of this package holds some of its commands.

A command's module is light; what it needs is imported when it runs, so that ``gas --help`` is fast.
"""

from __future__ import annotations

import sys

import typer

from gas import __version__
from gas.cli import annotate, farm, reference, service, simulate, validate
from gas.errors import GasError

app = typer.Typer(
    name="gas",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(service.up)
app.command()(service.demo)
app.command()(farm.farm)
app.command()(farm.reload)
app.command()(annotate.annotate)
app.command()(validate.validate)
app.add_typer(reference.app, name="reference")
app.command()(service.submit)
app.command()(service.web)
app.command()(service.worker)
app.command()(service.migrate)
app.command()(service.cloudwatch)
app.command()(service.thaws)
app.command()(simulate.simulate)
# Everything after `manage` is Django's own command line, its options and --help too.
app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(service.manage)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gas {__version__}")
        raise typer.Exit


@app.callback()
def _gas(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Genomics Annotation Service: what does every variant do to every gene?"""


def main() -> None:
    """Run the command line. Exit code 1 with one clear line for an error that a person can act on,
    2 for a wrong command line, 130 after Ctrl-C."""
    try:
        app()
    except GasError as error:
        print(f"gas: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
