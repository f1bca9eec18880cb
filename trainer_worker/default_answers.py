"""What nobody answered in time is an answer too: the session's default reward, once a slate has waited."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence

from apa.errors import DataLoss, NotFound, Unavailable
from apa.records.feedback import Acknowledgement, Answer, BinaryAnswer, Feedback, ScalarAnswer, subject_of
from apa.records.session import Session
from apa.records.slate import Slate
from apa.store.waiting import WaitingSlate
from trainer_worker.stores import Stores

logger = logging.getLogger(__name__)

AT_ONCE = 1000
"""Answers of one round trip."""


class DefaultAnswers:
    """Gives default rewards. However often it is done, and by however many at once, each is given once.

    Args:
        on_given: called with how many were given to a slate.
    """

    def __init__(self, stores: Stores, on_given: Callable[[int], object]) -> None:
        self._stores = stores
        self._on_given = on_given

    def give(self, most: int = 200) -> bool:
        """To up to so many slates whose wait is over. True when there may be more.

        Raises:
            Unavailable: the store is away; what was not given is given by the next sweep.
        """
        over = self._stores.waiting.over(most)
        for waiting in over:
            self._record(self._of(waiting))
            # Last of all: until then the next sweep finds the slate again.
            self._stores.waiting.settle(waiting)
        return len(over) == most

    def _of(self, waiting: WaitingSlate) -> list[Feedback]:
        """None for a slate that is damaged, or went before a trainer came: nobody can do more for it."""
        try:
            session = self._stores.sessions.get(waiting.session_id)
            slate = self._stores.slates.slate(waiting.session_id, waiting.slate_id)
        except (NotFound, DataLoss) as error:
            logger.error("slate %s is given no default rewards: %s", waiting.slate_id, error)
            return []
        return default_answers(session, slate)

    def _record(self, answers: Sequence[Feedback]) -> None:
        for start in range(0, len(answers), AT_ONCE):
            found = self._stores.ledger.record_defaults(answers[start : start + AT_ONCE])
            for one in found:
                if isinstance(one, Unavailable):
                    raise one
            # What is refused has a true answer, or no budget, or a session that is closed: it is not needed.
            new = [one for one in found if isinstance(one, Acknowledgement) and not one.duplicate]
            self._on_given(len(new))


def default_answers(session: Session, slate: Slate) -> list[Feedback]:
    """One for each item and rater of a slate, as if nobody had answered; always the same ones."""
    reward = session.config.default_reward
    assert reward is not None
    return [
        _feedback(session, _answer(session, item.particle_id, reward), rater)
        for item in slate.items
        for rater in session.config.raters or ("",)
    ]


def _answer(session: Session, particle_id: str, reward: float) -> Answer:
    if session.config.feedback_kind == "binary":
        return BinaryAnswer(particle_id=particle_id, liked=bool(reward))
    return ScalarAnswer(particle_id=particle_id, reward=reward)


def _feedback(session: Session, answer: Answer, rater: str) -> Feedback:
    name = hashlib.sha256(subject_of(answer, rater).encode()).hexdigest()[:32]
    return Feedback(feedback_id=f"default:{name}", session_id=session.session_id, answer=answer, rater=rater)
