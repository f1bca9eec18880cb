"""One cell: one simulated user with one method, and what every round's slate was truly worth."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from alignment.respondent import Respondent
from benchmarks.alignment.methods import methods_for
from benchmarks.alignment.operations import OperationCounter
from benchmarks.alignment.tasks import HiddenTaste, Task, task_of
from trainer_worker.observations import Observations

VERSION = 2
"""Of what a cell measures: counted up by hand when a change of code makes older cells worthless."""

YOUNGER = (("route", "steer"), ("route", None))


@dataclass(frozen=True, order=True)
class Cell:
    """What names a cell.

    Attributes:
        flip: the share of answers that say the opposite.
        taste: the number of the task's taste. seed: of the method and of the answers.
    """

    task: str
    rarity: float
    flip: float
    taste: int
    seed: int
    method: str

    @property
    def pair(self) -> tuple[int, int]:
        return self.taste, self.seed

    def key(self) -> str:
        """The same for the same result, as far as configs and the prior's weights tell."""
        task = task_of(self.task)
        method = methods_for(task)[self.method]
        told = as_before([VERSION, asdict(self), task.describe, method.describe(task)])
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def as_before(told: Any) -> Any:
    """Without settings that are younger than the archive, where they say what always was done."""
    match told:
        case dict():
            kept = {name: value for name, value in told.items() if (name, value) not in YOUNGER}
            return {name: as_before(value) for name, value in kept.items()}
        case list() | tuple():
            return [as_before(value) for value in told]
        case _:
            return told


def run_cell(cell: Cell, count_operations: bool = False) -> dict[str, Any]:
    """The cell's figures, as JSON takes them.

    Args:
        count_operations: of matrix products and convolutions; slows the cell, so its seconds are not kept.
    """
    task = task_of(cell.task)
    taste = task.taste(cell.taste, cell.rarity)
    recorder = _Recorder(
        task, taste, Respondent(taste.reward, task.config.feedback_kind, cell.flip, cell.seed)
    )
    method = methods_for(task)[cell.method]
    method.prepare(task)
    with torch.no_grad():
        if not count_operations:
            recorder.begin()
            method.run(task, recorder.respond, cell.seed, recorder.shown)
            return asdict(cell) | recorder.figures()
        with OperationCounter() as counter:
            recorder.begin()
            method.run(task, recorder.respond, cell.seed, recorder.shown)
        return {"task": cell.task, "method": cell.method, "operations": counter.get_total_flops()}


class _Recorder:
    """Stands between a method and its user; what judging takes is not the method's time."""

    def __init__(self, task: Task, taste: HiddenTaste, respondent: Respondent) -> None:
        self._task = task
        self._taste = taste
        self._respondent = respondent
        self._rounds: list[dict[str, Any]] = []
        self._spent = 0
        self._seconds = 0.0
        self._resumed = 0.0

    def begin(self) -> None:
        self._resumed = time.process_time()

    def respond(self, x: Tensor, asked: int) -> Observations:
        self._seconds += time.process_time() - self._resumed
        answers = self._respondent(x, asked)
        self._spent += sum(max(1, len(rows) - 1) for rows in answers.rows)
        self._resumed = time.process_time()
        return answers

    def shown(self, x: Tensor) -> None:
        self._seconds += time.process_time() - self._resumed
        rewards, modes = self._taste.reward(x), self._taste.mode(x)
        self._rounds.append(
            {
                "spent": self._spent,
                "rewards": [round(r, 4) for r in rewards.tolist()],
                "modes": modes.tolist(),
                "valid": self._task.valid(x).tolist(),
                "seconds": round(self._seconds, 3),
            }
        )
        self._seconds = 0.0
        self._resumed = time.process_time()

    def figures(self) -> dict[str, Any]:
        return {
            "rounds": self._rounds,
            "num_modes": self._taste.num_modes,
            "base_rate": self._taste.base_rate,
            "attainable": self._taste.attainable,
        }
