"""What every method is: a way to spend a budget of answers, told apart from the others by what it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from alignment import Respond, align
from alignment.learning import joined
from alignment.loop import cost
from alignment.slates import Draw
from apa.records.asking import answers_to, shown_for
from apa.records.session import SessionConfig
from benchmarks.alignment.tasks import Task
from trainer_worker.observations import Observations

Shown = Callable[[Tensor], None]
"""Told of the items (k, *data_shape) of a round once the user has answered."""

Run = Callable[[Task, Respond, int, Shown], None]
"""(task, the user, seed, told of each round): spends the whole budget."""


@dataclass(frozen=True)
class Method:
    """One row of the tables.

    Attributes:
        tasks: whether it is for a task.
        describe: what its result depends on beside the task.
        prepare: what a service would have ready before its first user, and no cell is charged for.
    """

    run: Run
    tasks: Callable[[Task], bool] = lambda _: True
    describe: Callable[[Task], dict[str, object]] = field(default=lambda _: {})
    prepare: Callable[[Task], None] = field(default=lambda _: None)


Propose = Callable[[Observations | None, int, int], Tensor]
"""(all answers so far, how many items to show, the round) -> items (k, *data_shape)."""


def spend(task: Task, respond: Respond, shown: Shown, propose: Propose) -> None:
    """The loop of a method that is none of ours."""
    spent, rounds = 0, list[Observations]()
    while spent < task.config.budget:
        asked = min(answers_to(task.config, task.config.particles_per_round), task.config.budget - spent)
        so_far = joined(rounds) if rounds else None
        x = propose(so_far, shown_for(task.config, asked), len(rounds))
        rounds.append(respond(x, asked))
        spent += cost(rounds[-1])
        shown(x)


def align_drawn(
    task: Task, respond: Respond, seed: int, shown: Shown, draw: Draw, config: SessionConfig | None = None
) -> None:
    """Our loop on populations that come from elsewhere than a steered run; config: the task's by default."""
    align(
        task.prior,
        respond,
        config or task.config,
        seed=seed,
        transport=task.transport,
        draw=draw,
        on_round=lambda done: shown(done.x),
    )


def seeded(seed: int, round_index: int) -> torch.Generator:
    return torch.Generator().manual_seed(1_000 * seed + round_index)
