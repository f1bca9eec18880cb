"""Reward by number of answers, a picture for each task."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.alignment.aggregate import Results, mean_curve
from benchmarks.alignment.methods import ALGORITHM_1, METHODS, OURS
from benchmarks.alignment.tasks import TASKS, task_of

BANDED = (OURS, ALGORITHM_1)
"""Methods whose intervals are drawn too; all of them would hide each other."""


def draw(results: Results, folder: Path) -> list[Path]:
    """alignment-TASK.svg of every task with cells."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for task in TASKS:
        path = folder / f"alignment-{task.replace(' ', '-')}.svg"
        if _draw_task(results, task, path):
            drawn.append(path)
    return drawn


def _draw_task(results: Results, task: str, path: Path) -> bool:
    place = (task, task_of(task).rarities[0], 0.0)
    curves = {method: curve for method in METHODS if (curve := mean_curve(results, place, method))}
    if not curves:
        return False
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for method, (spent, means) in curves.items():
        width = 2.4 if method == OURS else 1.2
        (line,) = axis.plot(spent, [mean.value for mean in means], label=method, linewidth=width)
        if method in BANDED:
            low, high = [mean.low for mean in means], [mean.high for mean in means]
            axis.fill_between(spent, low, high, color=line.get_color(), alpha=0.15)
    axis.set_ylim(-0.02, 1.1)
    axis.set_xlabel("answers")
    axis.set_ylabel("mean true reward of the slate, over the attainable")
    axis.set_title(f"{task}, rarity {place[1]:g}")
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, metadata={"Date": None})
    return True
