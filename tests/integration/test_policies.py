"""Every policy through the whole stack: shown, answered, learnt from, exported, and evaluated offline."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from apa.client import Client, ShownItem, bandit_feedback, explain
from apa.offline import inverse_propensity, logged
from apa.records.session import PolicyName


def likes_the_eighties(item: ShownItem) -> float:
    assert item.item is not None
    return float(item.item.attributes["year"].startswith("198"))


@pytest.mark.slow
@pytest.mark.parametrize("policy", get_args(PolicyName))
def test_a_session_of_every_policy_can_be_explained_and_evaluated(client: Client, policy: PolicyName) -> None:
    session = client.create_session(prior="films", budget=24, policy=policy)
    slates = []
    for _ in range(3):
        slates.append(client.sample(session.session_id).slate)
        answers = {item.particle_id: likes_the_eighties(item) for item in slates[-1].items}
        client.record_feedback(session.session_id, answers)
        session = client.wait_for_refit(session.session_id)

    assert [slate.policy for slate in slates] == ["", policy, policy]
    assert [len(explain(slate)) for slate in slates] == [8, 8, 8]
    log = logged(bandit_feedback(client.export_session(session.session_id)))
    shown = [item for slate in slates for item in slate.items]
    assert sorted(log.propensity) == pytest.approx(sorted(item.propensity for item in shown))
    own = inverse_propensity(log, log.propensity)
    assert own.value == pytest.approx(np.mean([likes_the_eighties(item) for item in shown]))
    assert own.num_slates == 3
