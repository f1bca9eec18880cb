"""A newcomer's first slate is what the cohort likes, and a deleted user has left the cohort."""

from __future__ import annotations

from functools import partial

import numpy as np
import redis

from apa.client import Client, SampleResult, SessionView
from apa.local.stack import LocalStack
from tests.waiting import wait_until

COHORT = "integration"


def _worth(result: SampleResult) -> list[float]:
    """All members like the same direction of the films' vectors, and no other."""
    return [float(np.tanh(item.x[0])) for item in result.slate.items]


def _begun(client: Client, user: str, cohort: str | None) -> SessionView:
    return client.create_session("films", 16, user_id=user, cohort=cohort, num_particles=64)


def _is_steered(client: Client, session: SessionView) -> bool:
    return client.get_session(session.session_id).surrogate is not None


def _round(client: Client, session: SessionView) -> float:
    result = client.sample(session.session_id)
    worth = _worth(result)
    answers = {item.particle_id: one for item, one in zip(result.slate.items, worth, strict=True)}
    client.record_feedback(session.session_id, answers)
    client.wait_for_refit(session.session_id)
    return float(np.mean(worth))


def _shares(url: str) -> int:
    server = redis.Redis.from_url(url)
    return sum(server.hlen(key) for key in server.scan_iter("apa:*:cohort:*"))


def test_a_newcomers_first_slate_is_steered_and_deleted_users_have_left(
    client: Client, stack: LocalStack
) -> None:
    members = [f"member{place}" for place in range(5)]
    for user in members:
        session = _begun(client, user, COHORT)
        for _ in range(2):
            _round(client, session)

    first, control = [], []
    for place in range(3):
        newcomer = _begun(client, f"newcomer{place}", COHORT)
        wait_until(partial(_is_steered, client, newcomer), 60)
        first.append(_round(client, newcomer))
        control.append(_round(client, _begun(client, f"stranger{place}", None)))
    assert np.mean(first) > np.mean(control) + 0.1

    assert _shares(stack.redis_url) == 8
    removed = [client.delete_user(user).cohort_shares for user in members]
    assert removed == [1] * 5
    assert _shares(stack.redis_url) == 3
