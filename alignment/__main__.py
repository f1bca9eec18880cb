"""python -m alignment PRIOR --taste NAME [--algorithm-1]: one simulated user in-process, round by round."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Literal

import torch
import typer
from pydantic import ValidationError

from alignment.algorithm_1 import algorithm_1, changed
from alignment.loop import Round, align
from alignment.respondent import Respondent, Taste
from alignment.tastes import taste_of
from apa.errors import ApaError
from apa.records.session import FeedbackKindName, SessionConfig
from apa.records.validation import invalid_argument
from trainer_worker.shelf import PriorShelf

HEADER = f"{'round':>5} {'answers':>8} {'mean reward':>12} {'lowest ESS':>11} {'clips':>7}  reasons"


def main(
    prior: Annotated[str, typer.Argument(help="fashion or films.")],
    taste: Annotated[str, typer.Option(help="What the simulated user likes, e.g. 'ankle boots'.")],
    of_the_paper: Annotated[
        bool,
        typer.Option("--algorithm-1", help="The paper's Algorithm 1 to the letter; the rest changes it."),
    ] = False,
    drift: Annotated[
        Literal["with", "without"],
        typer.Option(help="Of -f: Algorithm 2 has it, Algorithm 1's line has not."),
    ] = "with",
    update: Annotated[
        Literal["round", "all"], typer.Option(help="Algorithm 1's network, on the round's answers or on all.")
    ] = "round",
    budget: Annotated[int, typer.Option(help="B, answers.")] = 80,
    per_round: Annotated[int, typer.Option(help="k.")] = 8,
    particles: Annotated[int, typer.Option(help="N.")] = 32,
    kind: Annotated[FeedbackKindName, typer.Option(help="Of the answers.")] = "scalar",
    flip: Annotated[float, typer.Option(help="Share of answers that say the opposite.")] = 0.0,
    surrogate: Annotated[str | None, typer.Option()] = None,
    policy: Annotated[str | None, typer.Option()] = None,
    corrector: Annotated[str | None, typer.Option()] = None,
    integrator: Annotated[str | None, typer.Option()] = None,
    beta: Annotated[float | None, typer.Option(help="At the data end, on standardised rewards.")] = None,
    steps: Annotated[int | None, typer.Option(help="Of one run.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Prints each round: what the slate was truly worth, and what the run says of itself."""
    torch.set_num_threads(1)
    sizes = {"budget": budget, "particles_per_round": per_round, "num_particles": particles}
    base = (
        algorithm_1(prior, drift=drift, refit_on=update)
        if of_the_paper
        else SessionConfig(prior=prior, budget=budget)
    )
    named: dict[str, object] = {"surrogate": surrogate, "policy": policy, "feedback_kind": kind}
    sampling = {"corrector": corrector, "integrator": integrator, "beta": beta, "num_steps": steps}
    config = changed(base, named | sizes, sampling)
    shelved = PriorShelf().get(prior)
    judge = taste_of(shelved.prior, taste)
    _say(f"{taste}, of {prior}: {_in_words(config)}\n{HEADER}")
    started = time.monotonic()
    history = align(
        shelved.prior,
        Respondent(judge, kind, flip, seed),
        config,
        seed=seed,
        transport=shelved.transport,
        on_round=lambda done: _say(_line(done, judge)),
    )
    last = [float(judge(done.x).mean()) for done in history.rounds[-3:]]
    took = time.monotonic() - started
    _say(f"mean of the last {len(last)} rounds {sum(last) / len(last):.3f}; took {took:.0f} s")


def _in_words(config: SessionConfig) -> str:
    sampling = " ".join(
        f"{name}={value}" for name, value in config.sampling.model_dump(exclude_none=True).items()
    )
    named = f"surrogate={config.surrogate} policy={config.policy} refit_on={config.refit_on}"
    return f"{named} {sampling or 'sampling as the service does'}"


def _line(done: Round, judge: Taste) -> str:
    reasons = [item.reason for item in done.slate.items]
    counts = ", ".join(f"{reasons.count(reason)} {reason}" for reason in dict.fromkeys(reasons))
    population = done.population
    return (
        f"{done.index:>5} {done.spent:>8} {float(judge(done.x).mean()):>12.3f} "
        f"{min(population.ess_history):>11.1f} {population.clip_events:>7}  {counts}"
    )


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        typer.run(main)
    except ValidationError as error:
        sys.exit(f"error: {invalid_argument(error)}")
    except ApaError as error:
        sys.exit(f"error: {error}")
