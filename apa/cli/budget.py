"""A budget in words: recorded answers are spent, shown slates reserve, the rest can still be asked."""

from __future__ import annotations

from apa.client import SessionView


def free(view: SessionView) -> int:
    """Answers that a new slate could ask for."""
    return max(0, view.remaining - view.ledger.reserved)


def answers(view: SessionView) -> str:
    """All of the budget in one line."""
    return (
        f"{view.spent} of {view.config.budget} recorded, {view.ledger.reserved} reserved by slates that wait "
        f"for an answer, {free(view)} left to ask"
    )


def why_nothing_is_asked(session_id: str, view: SessionView | None) -> str:
    """Why a slate asks nothing, and what changes that.

    Args:
        view: None when the feedback service was not asked.
    """
    if view is None:
        return (
            "the budget is spent, or reserved by slates that wait for an answer: "
            f"`apa session show {session_id}` says which"
        )
    if view.remaining == 0:
        return f"the budget of {view.config.budget} answers is spent"
    return (
        f"{answers(view)}\nanswer one of those (`apa feedback {session_id} PARTICLE=REWARD`; "
        f"`apa sample {session_id} --request-id ID` shows a slate again), or wait until it expires"
    )
