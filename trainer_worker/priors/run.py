"""A fit as a process: progress lines, checkpoints, resuming, and how many steps fit into a given time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from trainer_worker.priors.data import TrainingData
from trainer_worker.priors.export import Provenance, describe_fit
from trainer_worker.priors.fit import new_state, train
from trainer_worker.priors.options import FitOptions
from trainer_worker.priors.state import TrainingState, load_checkpoint, save_checkpoint

_PROGRESS_EVERY = 50
_PROBE_STEPS = 12


def run_fit(
    data: TrainingData,
    options: FitOptions,
    provenance: Provenance,
    checkpoint: Path,
    checkpoint_every: int,
    resume: bool,
) -> TrainingState:
    """Train to the end, with a checkpoint on the way and at the end."""
    state = new_state(data, options)
    about = describe_fit(data, options, provenance)
    if resume and checkpoint.exists():
        load_checkpoint(state, checkpoint, about)
        print(f"resumed at step {state.step}", flush=True)
    print(f"{len(data)} items of shape {data.data_shape}; {options.as_arguments()}", flush=True)
    progress = _Progress(state.step, options.steps)

    def after_step(state: TrainingState) -> None:
        progress.report(state)
        if state.step % checkpoint_every == 0 or state.step == options.steps:
            save_checkpoint(state, checkpoint, about)

    train(state, data, options, after_step)
    return state


def resolve_minutes(data: TrainingData, minutes: float, chosen: dict[str, Any]) -> int:
    """How many steps take this long here, measured on a state that is thrown away."""
    options = FitOptions(steps=_PROBE_STEPS, **chosen)
    ends: list[float] = []
    train(new_state(data, options), data, options, lambda _: ends.append(time.monotonic()))
    # The first step also allocates and chooses kernels.
    seconds_per_step = (ends[-1] - ends[1]) / (len(ends) - 2)
    return max(1, int(60.0 * minutes / seconds_per_step))


class _Progress:
    """A line now and then: step, mean loss since the last, speed, time left."""

    def __init__(self, first_step: int, steps: int) -> None:
        self._first_step, self._steps = first_step, steps
        self._start = time.monotonic()

    def report(self, state: TrainingState) -> None:
        if state.step % _PROGRESS_EVERY != 0 and state.step != self._steps:
            return
        seconds_per_step = (time.monotonic() - self._start) / (state.step - self._first_step)
        left = seconds_per_step * (self._steps - state.step)
        loss = sum(state.losses) / len(state.losses)
        state.losses.clear()
        print(
            f"step {state.step}/{self._steps}  loss {loss:.4f}  {1000 * seconds_per_step:.0f} ms a step"
            f"  ETA {left / 60:.1f} min",
            flush=True,
        )
