"""`apa prior`: which priors there are, and fitting one of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apa.cli.output import Json, print_json, print_pairs, print_table
from apa.cli.stack import run_module
from apa.prior_folders import find_prior, list_priors, read_card

app = typer.Typer(no_args_is_help=True, help="Priors: list, show, fit.")

Folders = Annotated[
    list[Path] | None, typer.Option("--in", help="A directory of prior folders, besides the shipped ones.")
]


@app.command("list")
def list_(folders: Folders = None, as_json: Json = False) -> None:
    """List the shipped priors, and those under the given directories."""
    cards = {name: read_card(folder) for name, folder in list_priors(folders or []).items()}
    if as_json:
        print_json([card.model_dump(mode="json") for card in cards.values()])
        return
    rows = [
        (name, card.kind, "x".join(map(str, card.data_shape)), card.decoder, card.num_items or "", card.data)
        for name, card in cards.items()
    ]
    print_table(["name", "kind", "shape", "decoder", "items", "data"], rows)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="As in `apa prior list`.")],
    folders: Folders = None,
    as_json: Json = False,
) -> None:
    """Show one prior: what it makes, from which data, under which licence, how good it is."""
    folder = find_prior(name, folders or [])
    card = read_card(folder).model_dump(mode="json")
    if as_json:
        print_json(card | {"folder": str(folder)})
        return
    quality = {f"quality {name}": value for name, value in card.pop("quality").items()}
    print_pairs(card | quality | {"folder": folder})


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def fit(context: typer.Context) -> None:
    """Fit a prior to your vectors or images and store it as a folder. Options: `apa prior fit --help`."""
    run_module("trainer_worker.priors", ["fit", *context.args])
