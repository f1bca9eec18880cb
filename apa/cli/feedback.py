"""`apa feedback`: record what the user answered."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from apa.cli.addresses import Feedback, connect
from apa.cli.budget import why_nothing_is_asked
from apa.cli.output import Json, print_json, print_table, result_json
from apa.cli.said import in_words, parsed
from apa.client import FeedbackResult
from apa.client.results import raise_refused
from apa.errors import FailedPrecondition


def feedback(
    session: Annotated[str, typer.Argument(help="Id of the session.")],
    answers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PARTICLE=REWARD",
            help="E.g. 3f2a=1.0; rewards are -1,000,000 to 1,000,000. Where likes are asked, 3f2a=yes or "
            "3f2a=no. With --ranking the particles only, best first. Default: none.",
        ),
    ] = None,
    prefer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BETTER,OTHER", help="Which of two is preferred; may be repeated. Default: none."
        ),
    ] = None,
    ranking: Annotated[
        bool, typer.Option("--ranking", help="The particles are a ranking, best first.")
    ] = False,
    rater: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Which of the session's raters answers. Default: none of them."),
    ] = None,
    supersedes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Feedback id of the answer that is corrected, at no cost; once for each answer, in order. "
            "Default: none.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Return once the surrogate has learnt from it.")] = False,
    address: Feedback = "",
    as_json: Json = False,
) -> None:
    """Record answers about shown particles. A refused answer does not touch the others."""
    given = parsed(answers or [], prefer or [], ranking=ranking)
    with connect(feedback=address) as apa:
        results = apa.record_feedback(session, given, rater=rater, supersedes=supersedes or None, check=False)
        if as_json:
            print_json([result_json(result) for result in results])
        else:
            print_table(
                ["answer", "result"], list(zip(map(in_words, given), map(_outcome, results), strict=True))
            )
        sys.stdout.flush()
        if any(_lacks_budget(result) for result in results):
            view = apa.get_session(session)
            print(f"no budget is left: {why_nothing_is_asked(session, view)}", file=sys.stderr)
        raise_refused(results)
        if wait:
            apa.wait_for_refit(session)


def _lacks_budget(result: FeedbackResult) -> bool:
    return isinstance(result.error, FailedPrecondition) and result.error.field == "budget"


def _outcome(result: FeedbackResult) -> str:
    accepted = result.acknowledgement
    if accepted is None:
        return f"refused: {result.error.message if result.error else ''}"
    again = " (again)" if accepted.duplicate else ""
    return f"recorded{again} as {accepted.feedback_id}, {accepted.remaining} answers left"
