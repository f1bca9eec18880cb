"""`apa prior`: which priors there are, fitting one of your own, and drawing from it ahead."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from apa.cli.destinations import check_folders
from apa.cli.output import Json, print_json, print_pairs, print_table
from apa.cli.stack import run_module
from apa.errors import ApaError
from apa.prior_folders import find_prior, list_priors, read_card
from apa.records.prior_card import PriorCard

app = typer.Typer(no_args_is_help=True, help="Priors: list, show, fit, draw.")

Folders = Annotated[
    list[Path] | None,
    typer.Option(
        "--in",
        help="A directory of prior folders, besides the shipped ones; may be repeated. Default: the shipped "
        "ones only.",
    ),
]


@app.command("list")
def list_(folders: Folders = None, as_json: Json = False) -> None:
    """List the shipped priors, and those under the given directories."""
    check_folders(folders or [], "--in")
    cards, damaged = _cards(folders or [])
    if as_json:
        print_json([card.model_dump(mode="json") for card in cards.values()])
    else:
        rows = [(name, _makes(card), _shown_as(card), card.description) for name, card in cards.items()]
        print_table(["name", "makes", "shown as", "description"], rows)
    if damaged:
        sys.stdout.flush()
        for error in damaged[1:]:
            print(f"apa: {error}", file=sys.stderr)
        raise damaged[0]


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="As in `apa prior list`.")],
    folders: Folders = None,
    as_json: Json = False,
) -> None:
    """Show one prior: what it makes, from which data, under which licence, how good it is."""
    check_folders(folders or [], "--in")
    folder = find_prior(name, folders or [])
    card = read_card(folder)
    if as_json:
        print_json(card.model_dump(mode="json") | {"folder": str(folder)})
        return
    print_pairs(_pairs(card) | {"folder": folder})
    if card.quality:
        print("\nmeasured (what each means is in the README.md of the folder)\n")
        names = [name.replace("_", " ") for name in card.quality]
        figures = zip(names, map(_figure, card.quality.values()), strict=True)
        print_table(["figure", "value"], list(figures), right=["value"])


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def fit(context: typer.Context) -> None:
    """Fit a prior to your vectors or images and store it as a folder. Options: `apa prior fit --help`."""
    run_module("trainer_worker.priors", "apa prior", ["fit", *context.args])


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def draw(context: typer.Context) -> None:
    """Draw from a prior ahead, into its folder, to rank at once. Options: `apa prior draw --help`."""
    run_module("sampler_service.drawing", "apa prior draw", context.args)


def _cards(directories: list[Path]) -> tuple[dict[str, PriorCard], list[ApaError]]:
    """The cards that can be read, and what is wrong with the others: one damaged card hides nothing."""
    cards: dict[str, PriorCard] = {}
    damaged: list[ApaError] = []
    for name, folder in list_priors(directories).items():
        try:
            cards[name] = read_card(folder)
        except ApaError as error:
            damaged.append(error)
    return cards, damaged


def _pairs(card: PriorCard) -> dict[str, object]:
    pairs = {
        "name": card.name,
        "description": card.description,
        "makes": _makes(card),
        "shown as": _shown_as(card),
        "features": f"{card.feature_dim} numbers" if card.feature_dim else "none",
        "data": card.data,
        "licence": card.data_licence,
        "trained by": card.training_command,
    }
    return {name: value or "not said" for name, value in pairs.items()}


def _makes(card: PriorCard) -> str:
    if card.kind == "image":
        channels, height, width = card.data_shape
        colours = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
        return f"images, {height} x {width} pixels, {colours}"
    return f"vectors of {' x '.join(map(str, card.data_shape))} numbers"


def _shown_as(card: PriorCard) -> str:
    match card.decoder:
        case "png":
            return "a picture"
        case "catalogue":
            return f"the nearest of {card.num_items:,} items"
        case _:
            return "its numbers"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}"
