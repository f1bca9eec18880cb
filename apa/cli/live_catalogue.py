"""`apa catalogue`: change what a catalogue holds while it is served, and score its items."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from apa.cli.addresses import Sampler, connect
from apa.cli.item_files import read_entries
from apa.cli.output import Json, print_json, print_table
from apa.client import CatalogueChange

app = typer.Typer(no_args_is_help=True, help="Catalogues: upsert and delete items, score them.")

Prior = Annotated[str, typer.Argument(help="Name of the prior whose catalogue it is, e.g. films.")]


@app.command()
def upsert(
    prior: Prior,
    items: Annotated[
        Path,
        typer.Argument(
            help="A UTF-8 table with a header: item_id, title, perhaps in_stock (0 or 1); the rest is for "
            "display."
        ),
    ],
    vectors: Annotated[Path, typer.Argument(help="Their vectors, (M, D) in the .npy format.")],
    sampler: Sampler = "",
    as_json: Json = False,
) -> None:
    """Add items to a catalogue, or replace those of the same id. Samplers show them in about a second."""
    entries = read_entries(items, vectors)
    with connect(sampler=sampler) as apa:
        _say(apa.upsert_items(prior, entries), len(entries), "written", as_json)


@app.command()
def delete(
    prior: Prior,
    items: Annotated[list[str], typer.Argument(help="Ids of items.")],
    sampler: Sampler = "",
    as_json: Json = False,
) -> None:
    """Take items out of a catalogue. What was shown of them can still be answered."""
    with connect(sampler=sampler) as apa:
        _say(apa.delete_items(prior, items), len(items), "deleted", as_json)


@app.command()
def score(
    session: Annotated[str, typer.Argument(help="Id of the session.")],
    items: Annotated[list[str], typer.Argument(help="Ids of items of its prior's catalogue.")],
    sampler: Sampler = "",
    as_json: Json = False,
) -> None:
    """Say what a session's surrogate expects of items, the best first. Shows and asks nothing."""
    with connect(sampler=sampler) as apa:
        scores = apa.score(session, items)
    rows = sorted(zip(items, scores.mean.tolist(), scores.std.tolist(), strict=True), key=lambda row: -row[1])
    if as_json:
        named = [{"item_id": item, "predicted_mean": mean, "predicted_std": std} for item, mean, std in rows]
        print_json({"surrogate_version": scores.surrogate_version, "items": named})
    else:
        print_table(["item", "predicted"], [(item, f"{mean:.3g} ± {std:.2g}") for item, mean, std in rows])


def _say(change: CatalogueChange, asked: int, done: str, as_json: bool) -> None:
    if as_json:
        print_json(asdict(change))
    else:
        print(
            f"{change.changed} of {asked} items {done}, the others were so before; revision {change.revision}"
        )
