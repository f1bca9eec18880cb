"""`python -m benchmarks routes`: the map, what the choice of a route has to reach, and routes over gRPC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.report import Row, Scale, begin, end, row, table, write
from benchmarks.routes.cases import places
from benchmarks.routes.measure import ROUTES, Cell, measure
from benchmarks.routes.served import served

DIMENSIONS = (2, 16, 64)
RARITIES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
STORED = (1024, 4096, 16384)
HEADER = (
    f"{'D':>3} {'rarity':>7} {'stored':>6}  "
    + "  ".join(f"{route + ' gain, ms':>18}" for route in ROUTES)
    + "  ancestral  chosen"
)


def run(scale: Scale, path: Path | None) -> None:
    """Prints the map as it grows, and writes it as JSON if asked."""
    circumstances = begin(scale)
    grid = places((2, 16), (1e-1, 1e-3), (4096,)) if scale.quick else places(DIMENSIONS, RARITIES, STORED)
    print(HEADER, flush=True)
    cells = []
    for place in grid:
        cells.append(measure(place, scale.pick(40, 8)))
        print(line(cells[-1]), flush=True)
    rows = [*targets(cells), *served(scale)]
    end(circumstances)
    print(table(rows))
    found = [_as_json(cell) for cell in cells]
    write(
        path,
        circumstances | {"cells": found, "rows": [asdict(one) | {"reached": one.reached} for one in rows]},
    )


def line(cell: Cell) -> str:
    """One place."""
    each = "  ".join(f"{cell.gains[route]:10.2f} {1e3 * cell.seconds[route]:7.1f}" for route in ROUTES)
    chosen = ", ".join(f"{route} {count}" for route, count in sorted(cell.chosen.items()))
    place, ancestral = cell.place, f"{cell.ancestral_gain:9.2f}"
    return f"{place.dimensions:3} {place.rarity:7.0e} {place.num_stored:6}  {each}  {ancestral}  {chosen}"


def targets(cells: Sequence[Cell]) -> list[Row]:
    """Over all places; the quartiles are those of the places."""
    times, shares = [c.times_the_cheapest for c in cells], [c.share_of_best for c in cells]
    covered = [c.covered for c in cells]
    bounded = f"{sum(c.bounded for c in cells) / len(cells):.2f} have an upper end"
    best = "gain of the route chosen over the best in hindsight, worst place"
    held = "intervals of log Z that hold it, all places"
    return [
        row("time of the route chosen over the cheapest adequate", times),
        replace(row("the same, worst place", times, 1.5, "most"), value=max(times)),
        replace(row(best, shares, 0.97), value=min(shares)),
        replace(row(held, covered, 0.93, note=bounded), value=sum(covered) / len(covered)),
        row("width of the intervals in nats, median of each place", [c.width for c in cells]),
    ]


def _as_json(cell: Cell) -> dict[str, object]:
    place = cell.place
    return {
        "dimensions": place.dimensions,
        "rarity": place.rarity,
        "num_stored": place.num_stored,
        "beta": place.beta,
        "num_seeds": cell.num_seeds,
        "gains": cell.gains,
        "seconds": cell.seconds,
        "chosen": cell.chosen,
        "ancestral_gain": cell.ancestral_gain,
        "covered": cell.covered,
        "bounded": cell.bounded,
        "width": cell.width,
        "cheapest_adequate": cell.cheapest_adequate,
    }
