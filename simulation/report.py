"""The table and the figures of a demo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulation.control import Control
from simulation.shopper import Round


@dataclass(frozen=True)
class ShopperReport:
    """One shopper's rounds beside the unsteered control."""

    taste: str
    rounds: list[Round]
    control: Control

    @property
    def last_three(self) -> float:
        """Mean true reward of the last three rounds."""
        return float(np.mean([r.mean_reward for r in self.rounds[-3:]]))

    @property
    def reached(self) -> bool:
        return self.last_three >= self.control.target


def table(reports: Sequence[ShopperReport]) -> str:
    """Markdown: mean true reward of the shown slate by round, beside the control."""
    num_rounds = max(len(report.rounds) for report in reports)
    by_round = [str(i) for i in range(num_rounds)]
    head = ["shopper", "unsteered", *by_round, "last three", "target", "best of 2,000"]
    body = [_row(report, num_rounds) for report in reports]
    widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(_line(row, widths) for row in (head, rule, *body))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) + " |"


def _row(report: ShopperReport, num_rounds: int) -> list[str]:
    by_round = [f"{r.mean_reward:.2f}" for r in report.rounds]
    by_round += [""] * (num_rounds - len(by_round))
    last = f"{report.last_three:.2f}"
    figures = [f"{report.control.target:.2f}", f"{report.control.attainable:.2f}"]
    return [report.taste, f"{report.control.mean:.2f}", *by_round, last, *figures]


def as_json(reports: Sequence[ShopperReport], seed: int) -> dict[str, object]:
    """The same figures for a script."""
    return {
        "seed": seed,
        "shoppers": [
            {
                "taste": report.taste,
                "control_mean": report.control.mean,
                "attainable": report.control.attainable,
                "target": report.control.target,
                "mean_reward_by_round": [r.mean_reward for r in report.rounds],
                "route_by_round": [r.route for r in report.rounds],
                "last_three": report.last_three,
                "reached": report.reached,
            }
            for report in reports
        ],
    }
