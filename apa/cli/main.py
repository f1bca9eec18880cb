"""The `apa` command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from apa import __version__
from apa.cli import live_catalogue, prior, session, user
from apa.cli.feedback import feedback
from apa.cli.sample import sample
from apa.cli.stack import demo, up
from apa.errors import ApaError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Active preference alignment: sample a prior, record what a user likes, sample better.",
    epilog="Exit codes: 0 done, 1 refused or failed (stderr says why), 2 wrong usage.",
)
app.add_typer(prior.app, name="prior")
app.add_typer(live_catalogue.app, name="catalogue")
app.add_typer(session.app, name="session")
app.add_typer(user.app, name="user")
app.command()(up)
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)(demo)
app.command()(sample)
app.command()(feedback)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Only there for the options that belong to no command."""


def main() -> None:
    try:
        app()
    except ApaError as error:
        print(f"apa: {error}", file=sys.stderr)
        raise SystemExit(1) from error
