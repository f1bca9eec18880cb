"""`apa feedback`: record what the user answered."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from apa.cli.addresses import Feedback, connect
from apa.cli.budget import why_nothing_is_asked
from apa.cli.output import Json, print_json, print_table, result_json
from apa.client import FeedbackResult
from apa.client.results import raise_refused
from apa.errors import FailedPrecondition, InvalidArgument


def feedback(
    session: Annotated[str, typer.Argument(help="Id of the session.")],
    answers: Annotated[
        list[str],
        typer.Argument(
            metavar="PARTICLE=REWARD...", help="E.g. 3f2a=1.0; rewards are -1,000,000 to 1,000,000."
        ),
    ],
    wait: Annotated[bool, typer.Option(help="Return once the surrogate has learnt from it.")] = False,
    address: Feedback = "",
    as_json: Json = False,
) -> None:
    """Record rewards for shown particles. A refused answer does not touch the others."""
    rewards = _rewards(answers)
    with connect(feedback=address) as apa:
        results = apa.record_feedback(session, rewards, check=False)
        if as_json:
            print_json([result_json(result) for result in results])
        else:
            print_table(["particle", "result"], list(zip(rewards, map(_outcome, results), strict=True)))
        sys.stdout.flush()
        if any(_lacks_budget(result) for result in results):
            view = apa.get_session(session)
            print(f"no budget is left: {why_nothing_is_asked(session, view)}", file=sys.stderr)
        raise_refused(results)
        if wait:
            apa.wait_for_refit(session)


def _lacks_budget(result: FeedbackResult) -> bool:
    return isinstance(result.error, FailedPrecondition) and result.error.field == "budget"


def _rewards(answers: Sequence[str]) -> dict[str, float]:
    rewards: dict[str, float] = {}
    for particle, reward in map(_parsed, answers):
        if particle in rewards:
            raise InvalidArgument(
                "a particle is answered once",
                field="PARTICLE=REWARD",
                expected="each id once",
                found=particle,
            )
        rewards[particle] = reward
    return rewards


def _parsed(answer: str) -> tuple[str, float]:
    # The last sign: an id may hold one, a number does not.
    particle, _, reward = answer.rpartition("=")
    if not particle:
        raise _no_answer(answer)
    try:
        return particle, float(reward)
    except ValueError as error:
        raise _no_answer(answer) from error


def _no_answer(found: str) -> InvalidArgument:
    return InvalidArgument(
        "not an answer", field="PARTICLE=REWARD", expected="an id, =, a number", found=found
    )


def _outcome(result: FeedbackResult) -> str:
    accepted = result.acknowledgement
    if accepted is None:
        return f"refused: {result.error.message if result.error else ''}"
    again = " (again)" if accepted.duplicate else ""
    return f"recorded{again}, {accepted.remaining} answers left"
