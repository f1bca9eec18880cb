"""`apa catalogue`: what a session would think of items."""

from __future__ import annotations

from typing import Annotated

import typer

from apa.cli.addresses import Sampler, connect
from apa.cli.output import Json, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Catalogues: score items.")


# The only command so far, and still `apa catalogue score`: without a callback it would be `apa catalogue`.
@app.callback()
def _group() -> None: ...


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
