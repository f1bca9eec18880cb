"""python -m benchmarks.routes.picture REPORT SVG: which route is the cheapest that does, by rarity and place.

A cell's colour is the route, its number what that route brings: 0 is the prior, 1 the target. Below it
stands what ranking alone would bring; a frame has the colour of what was mostly chosen, where another was.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

Cell = Mapping[str, Any]
Group = tuple[str, list[tuple[str, list[Cell]]]]
"""A title, and rows of cells with their names."""

COLOURS = {"rank": "#7fc8a9", "pool_start": "#f5c26b", "steer": "#e58f80"}
DARKER = {"rank": "#1d7a52", "pool_start": "#b97708", "steer": "#b03a26"}
SAID = {
    "rank": "rank what is stored",
    "pool_start": "start at what is stored",
    "steer": "generate from noise",
}
INK, PALE = "#2b2b2b", "#5a5a5a"
BUDGET = 32
ROW_INCHES = 0.42


def draw(cells: Sequence[Cell], path: Path) -> None:
    """The cells of a report, as an SVG or what else the name asks for."""
    found = groups(cells)
    rarities = sorted({cell["rarity"] for cell in cells}, reverse=True)
    heights = [len(rows) for _, rows in found]
    figure = Figure(
        figsize=(8.2, ROW_INCHES * (sum(heights) + 1.15 * len(found)) + 1.3), layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(found), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (title, rows) in zip(axes, found, strict=True):
        _draw_group(axis, title, rows, rarities)
    axes[-1].set_xlabel(
        "rarity: one of so many draws; numbers: gain (0 the prior, 1 the target) and time",
        color=INK,
        fontsize=9,
    )
    patches = [Patch(facecolor=COLOURS[name], label=said) for name, said in SAID.items()]
    frame = Patch(facecolor="white", edgecolor=PALE, linewidth=2.0, label="frame: what auto took instead")
    patches.append(frame)
    figure.legend(handles=patches, loc="outside upper center", ncols=4, frameon=False, fontsize=8.5)
    # As text, a fifth of the size; with its own salt, so that the same report gives the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": path.name}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def groups(cells: Sequence[Cell]) -> list[Group]:
    """Rows by what they have in common; those of other budgets apart."""
    found: dict[str, dict[str, list[Cell]]] = {}
    for cell in cells:
        title, row = _where(cell)
        found.setdefault(title, {}).setdefault(row, []).append(cell)
    return [(title, list(rows.items())) for title, rows in found.items()]


def _where(cell: Cell) -> tuple[str, str]:
    stored = f"{cell['num_stored']:,} stored"
    if cell["prior"] == "mixture" and cell["num_particles"] != BUDGET:
        return f"by budget, {stored}", f"{cell['dimensions']} dimensions, N = {cell['num_particles']}"
    if cell["prior"] == "mixture":
        return "mixtures in closed form, N = 32", f"{cell['dimensions']} dimensions, {stored}"
    if cell["catalogue_size"] is not None:
        return f"films, {stored} draws", f"{cell['catalogue_size']:,} items"
    return "fashion (of the rarer ones, 1.00 is the best of the three)", stored


def _draw_group(
    axis: Axes, title: str, rows: Sequence[tuple[str, list[Cell]]], rarities: Sequence[float]
) -> None:
    for place, (_, cells) in enumerate(rows):
        for cell in cells:
            _draw_cell(axis, rarities.index(cell["rarity"]), place, cell)
    axis.set_xlim(-0.5, len(rarities) - 0.5)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8, color=INK)
    axis.set_xticks(
        range(len(rarities)), [f"{1 / rarity:,.0f}" for rarity in rarities], fontsize=8, color=INK
    )
    axis.set_title(title, loc="left", fontsize=9, color=INK, pad=4, fontweight="bold")
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _draw_cell(axis: Axes, column: int, row: int, cell: Cell) -> None:
    best = cell["cheapest_adequate"]
    chosen = max(cell["chosen"], key=lambda name: (cell["chosen"][name], name == best))
    corner = (column - 0.45, row - 0.41)
    axis.add_patch(
        FancyBboxPatch(
            *(corner, 0.9, 0.82),
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=COLOURS[best],
            edgecolor="none" if chosen == best else DARKER[chosen],
            linewidth=2.2,
        )
    )
    told = f"{cell['gains'][best]:.2f}  in {_duration(cell['seconds'][best])}"
    ranked = f"ranked {cell['gains']['rank']:.2f}  in {_duration(cell['seconds']['rank'])}"
    lift = 0.0 if best == "rank" else 0.15
    axis.text(column, row - lift, told, ha="center", va="center", fontsize=8.5, color=INK)
    if best != "rank":
        axis.text(column, row + 0.22, ranked, ha="center", va="center", fontsize=6.5, color=PALE)


def _duration(seconds: float) -> str:
    """In two digits."""
    if seconds >= 1.0:
        return f"{seconds:.1f} s"
    return f"{1e3 * seconds:.1f} ms" if seconds < 0.01 else f"{1e3 * seconds:.0f} ms"


def main() -> None:
    report, picture = map(Path, sys.argv[1:3])
    draw(json.loads(report.read_text())["cells"], picture)


if __name__ == "__main__":
    main()
