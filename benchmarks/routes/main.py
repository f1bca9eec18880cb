"""`python -m benchmarks routes`: the map, what the choice of a route has to reach, and routes over gRPC.

`--sampler package.module:name`, or a registered name, adds a column; it may be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.report import Row, Scale, begin, end, row, table, write
from benchmarks.routes.cases import budgets, places
from benchmarks.routes.fashion import fashion_places
from benchmarks.routes.films import EXHAUSTIVE, films_places
from benchmarks.routes.learned import measure_learned
from benchmarks.routes.measure import ROUTES, Cell, measure
from sampler_service.routes import Sampler, sampler_at

DIMENSIONS = (2, 16, 64)
RARITIES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
STORED = (1024, 4096, 16384)
BUDGETS = (8, 128)
"""N, beside the 32 of the other places."""
GUIDANCE = "guidance"


def run(scale: Scale, path: Path | None) -> None:
    """Prints the map as it grows, and writes it as JSON if asked."""
    circumstances = begin(scale)
    beside = samplers(scale.samplers)
    columns = (*ROUTES, EXHAUSTIVE, *beside)
    print(header(columns), flush=True)
    cells = []
    for cell in measured(scale, beside):
        cells.append(cell)
        print(line(cell, columns), flush=True)
        # What is measured is kept, whatever becomes of the minutes that are left.
        write(path, circumstances | _document(cells, targets(cells)))
    rows = targets(cells)
    end(circumstances)
    print(table(rows))
    write(path, circumstances | _document(cells, rows))


def samplers(asked: Sequence[str]) -> dict[str, Sampler]:
    """Plain guidance in diffusers' own loop, where diffusers is installed, and those asked for."""
    found: dict[str, Sampler] = {}
    try:
        from benchmarks.routes.samplers.plain_guidance import plain_guidance
    except ImportError:
        print("without plain guidance: diffusers is not installed")
    else:
        found[GUIDANCE] = plain_guidance
    return found | {place.rsplit(":", 1)[-1]: sampler_at(place) for place in asked}


def measured(scale: Scale, beside: Mapping[str, Sampler]) -> Iterator[Cell]:
    """Closed forms by rarity, dimension and pool, and by budget; then the shipped priors."""
    grid = [
        *places(DIMENSIONS, RARITIES, STORED),
        *budgets((2, 64), (1e-1, 1e-3), 4096, BUDGETS),
    ]
    if scale.quick:
        grid = [*places((2, 16), (1e-1, 1e-3), (4096,)), *budgets((16,), (1e-3,), 4096, (8,))]
    for place in grid:
        yield measure(place, scale.pick(20, 6), beside)
    for films, exhaustive in films_places(scale):
        yield measure_learned(films, scale.pick(5, 2), {**exhaustive, **beside})
    for fashion in fashion_places(scale):
        yield measure_learned(fashion, scale.pick(3, 1), beside)


def header(columns: Sequence[str]) -> str:
    """Of the lines."""
    titles = "  ".join(f"{column + ' gain, ms':>19}" for column in columns)
    return (
        f"{'prior':7} {'D':>3} {'items':>5} {'rarity':>6} {'stored':>6} {'N':>3}  {titles}  ancestral  chosen"
    )


def line(cell: Cell, columns: Sequence[str]) -> str:
    """One place."""
    place = cell.place
    each = "  ".join(
        f"{cell.gains[name]:10.2f} {1e3 * cell.seconds[name]:8.1f}" if name in cell.gains else f"{'-':>19}"
        for name in columns
    )
    chosen = ", ".join(f"{route} {count}" for route, count in sorted(cell.chosen.items()))
    ancestral = "-" if cell.ancestral_gain is None else f"{cell.ancestral_gain:.2f}"
    where = (
        f"{place.prior_name:7} {place.dimensions:3} {place.catalogue_size or '-':>5} {place.rarity:6.0e} "
        f"{place.num_stored:6} {place.num_particles:3}"
    )
    # The draws hold too little of the target to say what there is to gain: 1 is the best of the routes.
    marked = "" if cell.exact else f" (reference ESS {cell.reference_ess:.0f})"
    return f"{where}  {each}  {ancestral:>9}  {chosen}{marked}"


def targets(cells: Sequence[Cell]) -> list[Row]:
    """Over all places; the quartiles are those of the places."""
    times, shares = [c.times_the_cheapest for c in cells], [c.share_of_best for c in cells]
    covered = [c.covered for c in cells if c.covered is not None]
    upper = [c.bounded for c in cells if c.bounded is not None]
    widths = [c.width for c in cells if c.width is not None]
    bounded = f"{sum(upper) / len(upper):.2f} have an upper end"
    best = "gain of the route chosen over the best in hindsight, worst place"
    held = "intervals of log Z that hold it, all closed forms"
    return [
        row("time of the route chosen over the cheapest adequate", times),
        replace(row("the same, worst place", times, 1.5, "most"), value=max(times)),
        replace(row(best, shares, 0.97), value=min(shares)),
        replace(row(held, covered, 0.93, note=bounded), value=sum(covered) / len(covered)),
        row("width of the intervals in nats, median of each place", widths),
    ]


def _document(cells: Sequence[Cell], rows: Sequence[Row]) -> dict[str, object]:
    return {
        "cells": [_as_json(cell) for cell in cells],
        "rows": [asdict(one) | {"reached": one.reached} for one in rows],
    }


def _as_json(cell: Cell) -> dict[str, object]:
    place = cell.place
    return {
        "prior": place.prior_name,
        "dimensions": place.dimensions,
        "catalogue_size": place.catalogue_size,
        "rarity": place.rarity,
        "num_stored": place.num_stored,
        "num_particles": place.num_particles,
        "beta": place.beta,
        "num_seeds": cell.num_seeds,
        "gains": cell.gains,
        "seconds": cell.seconds,
        "chosen": cell.chosen,
        "ancestral_gain": cell.ancestral_gain,
        "covered": cell.covered,
        "bounded": cell.bounded,
        "width": cell.width,
        "reference_ess": cell.reference_ess,
        "exact": cell.exact,
        "cheapest_adequate": cell.cheapest_adequate,
    }
