"""Answers as a person types them, and as they are shown to one."""

from __future__ import annotations

from collections.abc import Sequence

from apa.errors import InvalidArgument
from apa.records.feedback import Answer, BinaryAnswer, PairwiseAnswer, RankingAnswer, ScalarAnswer
from apa.records.validation import validated

LIKES = {"yes": True, "no": False}
VALUED = "PARTICLE=REWARD"
PREFERRED = "--prefer"


def parsed(answers: Sequence[str], preferred: Sequence[str], *, ranking: bool = False) -> list[Answer]:
    """What a command line says.

    Args:
        answers: `id=number`, `id=yes`, `id=no`; with `ranking` ids, best first.
        preferred: `id,id`, the better one first.

    Raises:
        InvalidArgument: something is no answer, a particle is valued twice, or there is nothing.
    """
    pairs: list[Answer] = [_preference(one) for one in preferred]
    if ranking:
        return [*pairs, validated(RankingAnswer, {"particle_ids": tuple(answers)})]
    valued = [_valued(one) for one in answers]
    names = [one.particle_ids[0] for one in valued]
    for name in names:
        if names.count(name) > 1:
            raise InvalidArgument(
                "a particle is answered once", field=VALUED, expected="each id once", found=name
            )
    if not pairs and not valued:
        raise InvalidArgument(
            "there is no answer", field=VALUED, expected=f"at least one, or {PREFERRED}", found="nothing"
        )
    return [*pairs, *valued]


def in_words(answer: Answer) -> str:
    """What an answer is about, as a person reads it."""
    return (" over " if answer.kind == "pairwise" else ", ").join(answer.particle_ids)


def _valued(said: str) -> Answer:
    # The last sign: an id may hold one, a number does not.
    particle_id, _, value = said.rpartition("=")
    if not particle_id:
        raise _no_answer(said)
    if value in LIKES:
        return validated(BinaryAnswer, {"particle_id": particle_id, "liked": LIKES[value]})
    try:
        return validated(ScalarAnswer, {"particle_id": particle_id, "reward": float(value)})
    except ValueError as error:
        raise _no_answer(said) from error


def _preference(said: str) -> Answer:
    better, comma, other = said.partition(",")
    if not comma:
        raise InvalidArgument(
            "not a preference", field=PREFERRED, expected="two ids with a comma between them", found=said
        )
    return validated(PairwiseAnswer, {"preferred": better, "other": other})


def _no_answer(found: str) -> InvalidArgument:
    return InvalidArgument(
        "not an answer", field=VALUED, expected="an id, =, a number or yes or no", found=found
    )
