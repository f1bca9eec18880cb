from __future__ import annotations

from apa.records.session import Session, SessionConfig
from trainer_worker.batches import batches


def _session(name: str, **config: object) -> Session:
    fields = {"prior": "films", "budget": 80} | config
    return Session(session_id=name, config=SessionConfig.model_validate(fields), created_at=1.0)


def _names(sessions: list[Session], most: int = 64) -> list[list[str]]:
    return [[session.session_id for session in batch] for batch in batches(sessions, most)]


def test_sessions_of_one_prior_and_kind_are_refitted_together() -> None:
    sessions = [
        _session("a"),
        _session("b", prior="fashion"),
        _session("c"),
        _session("d", feedback_kind="binary"),
        _session("e", prior="fashion"),
    ]
    assert _names(sessions) == [["a", "c"], ["b", "e"], ["d"]]


def test_a_batch_is_bounded_and_the_longest_waiting_come_first() -> None:
    assert _names([_session(name) for name in "abcde"], most=2) == [["a", "b"], ["c", "d"], ["e"]]


def test_what_does_not_stack_is_refitted_alone() -> None:
    sessions = [_session("a", surrogate="cnn"), _session("b"), _session("c", surrogate="cnn"), _session("d")]
    assert _names(sessions) == [["a"], ["b", "d"], ["c"]]


def test_nothing_due_is_no_batch() -> None:
    assert _names([]) == []
