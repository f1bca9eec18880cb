"""Slates as JSON: what nothing new is used of reads as it did before."""

from __future__ import annotations

from apa.records.slate import Slate, SlateItem


def slate(policy: str, score: float) -> Slate:
    item = SlateItem(particle_id="p", population_index=3, reason="top", propensity=1.0, score=score)
    return Slate(
        slate_id="s",
        session_id="u",
        request_id="r",
        items=(item,),
        round_index=0,
        asked=1,
        created_at=1.0,
        expires_at=2.0,
        policy=policy,
    )


def test_a_cold_start_is_stored_without_policy_and_scores() -> None:
    stored = slate("", 0.0).model_dump()

    assert "policy" not in stored
    assert "score" not in stored["items"][0]
    assert Slate.model_validate(stored) == slate("", 0.0)


def test_policy_and_scores_are_stored_where_there_are_any() -> None:
    chosen = slate("gumbel_top_k", -0.5)

    assert Slate.model_validate_json(chosen.model_dump_json()) == chosen
    assert chosen.model_dump()["items"][0]["score"] == -0.5
