"""The picture of one shopper: the first slate, the last slate, and the reward curve between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simulation.control import Control
from simulation.shopper import Round


def draw(path: Path, taste: str, rounds: Sequence[Round], control: Control) -> None:
    """Writes a PNG; the slates are images (k, 1, H, W) in [-1, 1]."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(3, 2))[0]
    top, bottom = left.subfigures(2, 1, squeeze=False)[:, 0]
    _slate(top.subplots(1, len(rounds[0].items), squeeze=False)[0], rounds[0])
    top.suptitle(f"{taste}: round 0, unsteered ({rounds[0].mean_reward:.2f})", fontsize=10)
    _slate(bottom.subplots(1, len(rounds[-1].items), squeeze=False)[0], rounds[-1])
    bottom.suptitle(f"round {rounds[-1].index} ({rounds[-1].mean_reward:.2f})", fontsize=10)
    _curve(right.subplots(), rounds, control)
    figure.savefig(path, dpi=110)


def _slate(axes: Sequence[Axes], shown: Round) -> None:
    for axis, item, reward in zip(axes, shown.items, shown.rewards, strict=True):
        axis.imshow(np.clip(item[0], -1, 1), cmap="gray_r", vmin=-1, vmax=1)
        axis.set_title(f"{reward:.2f}", fontsize=8, pad=2)
        axis.set_axis_off()


def _curve(axis: Axes, rounds: Sequence[Round], control: Control) -> None:
    axis.plot([r.index for r in rounds], [r.mean_reward for r in rounds], marker="o", label="shown slate")
    axis.axhline(control.mean, color="grey", linestyle="--", label="unsteered mean")
    axis.axhline(control.attainable, color="green", linestyle=":", label="best of 2,000")
    axis.set_ylim(-0.03, 1.05)
    axis.set_xlabel("round")
    axis.set_ylabel("mean true reward")
    axis.legend(fontsize=8, loc="lower right")
