from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch

from apa import keys
from apa.errors import NumericalError, Unavailable
from apa.records.session import RefitQuality
from apa.store.connection import connect
from apa.store.due import DueStore
from apa.surrogates import LinearSurrogate, load
from tests.trainer_worker.world import TrainerWorld, write_prior
from trainer_worker.drain import MAX_PASSES
from trainer_worker.fit import fit, together


def test_answers_become_a_published_surrogate_and_the_session_is_no_longer_due(world: TrainerWorld) -> None:
    world.session()
    world.answer(count=8)
    assert world.due() == ["s1"]

    world.refit("s1")

    assert world.due() == []
    assert world.trained_events() == 8
    current = world.stores.surrogates.current("s1")
    assert current is not None
    assert 0 < current.newest_answer_at <= current.published_at + 1.0
    surrogate = load(world.stores.surrogates.blob("s1", current.version), current.version)
    prior = write_prior(world.priors / "toy")
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(9))
    correlation = torch.corrcoef(torch.stack([surrogate.predict(prior, x).mean, x[:, 0]]))[0, 1]
    assert float(correlation) > 0.3
    assert world.measured("refits_total", result="published") == 1
    assert world.measured("refit_duration_seconds_count") == 1


def test_a_refit_says_how_well_the_one_before_had_foreseen_the_answers_since(world: TrainerWorld) -> None:
    world.session()
    world.answer(count=8)
    world.refit("s1")
    assert world.quality() is None
    world.answer(count=5)
    world.refit("s1")

    quality = world.quality()
    assert quality is not None
    assert quality.num_answers == 5
    assert quality.coverage >= 0.4
    assert abs(quality.gap) < 3.0
    assert quality.gap_error > 0.0
    assert world.measured("refit_gap_count") == world.measured("refit_coverage_count") == 1


def test_a_surrogate_that_promised_too_much_steers_less_and_the_next_recovers(world: TrainerWorld) -> None:
    world.session(surrogate="linear")
    world.answer(count=8)
    world.refit("s1")
    world.overrate("s1", by=2.0)
    world.answer(count=24)
    world.refit("s1")
    tempered = world.quality()
    assert tempered is not None
    assert tempered.gap == pytest.approx(2.0, abs=1.0)
    assert tempered.beta_factor == pytest.approx(1.0 / (1.0 + tempered.gap))
    assert world.measured("refits_tempered_total") == 1

    world.answer(count=8)
    world.refit("s1")
    recovering = world.quality()
    assert recovering is not None
    assert recovering.beta_factor == pytest.approx(tempered.beta_factor**0.5)


def test_a_surrogate_that_cannot_be_looked_back_at_is_no_reason_not_to_refit(world: TrainerWorld) -> None:
    world.session()
    world.answer(count=4)
    world.refit("s1")
    world.damage("s1")
    world.answer(count=4)
    world.refit("s1")
    assert world.trained_events() == 8
    assert world.quality() == RefitQuality()


def test_a_second_hint_for_the_same_answers_costs_nothing(world: TrainerWorld) -> None:
    world.session()
    world.answer()
    world.refit("s1")
    before = world.stores.surrogates.versions("s1")
    world.refit("s1")
    assert world.stores.surrogates.versions("s1") == before
    assert world.measured("refits_coalesced_total") == 1


def test_while_somebody_else_refits_a_hint_is_dropped(world: TrainerWorld) -> None:
    world.session()
    world.answer()
    assert world.stores.due.acquire("s1", 30.0) is not None
    world.refit("s1")
    assert world.due() == ["s1"]
    assert world.trained_events() == 0
    assert world.measured("refits_coalesced_total") == 1


def test_answers_that_arrive_during_a_refit_are_covered_by_another_pass(
    world: TrainerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.session()
    world.answer(count=3)
    rounds: list[int] = []

    def fit_while_answers_arrive(*args: object, **kwargs: object) -> object:
        rounds.append(len(args[2]))  # type: ignore[arg-type]
        if len(rounds) == 1:
            world.answer(count=2)
        return fit(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(together, "fit", fit_while_answers_arrive)
    world.refit("s1")

    assert rounds == [3, 5]
    assert world.trained_events() == 5
    assert world.due() == []


def test_a_session_answered_without_end_leaves_room_for_others_and_stays_due(
    world: TrainerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.session()
    world.answer(count=1)
    passes = 0

    def fit_while_answers_arrive(*args: object, **kwargs: object) -> object:
        nonlocal passes
        passes += 1
        world.answer(count=1)
        return fit(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(together, "fit", fit_while_answers_arrive)
    world.refit("s1")
    assert passes == MAX_PASSES
    assert world.due() == ["s1"]


def test_a_stale_lease_cannot_publish(world: TrainerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.session()
    world.answer(count=4)

    def fit_until_the_lease_is_lost(*args: object, **kwargs: object) -> object:
        # The lease runs out while fitting, and a second worker takes the session over and is quicker.
        monkeypatch.setattr(together, "fit", fit)
        world.answer(count=4)
        while world.trained_events() == 0:
            world.refit("s1")
        return fit(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(together, "fit", fit_until_the_lease_is_lost)
    world.refit("s1", lease_s=0.05)

    assert world.trained_events() == 8
    assert len(world.stores.surrogates.versions("s1")) == 1
    assert world.measured("refits_total", result="superseded") == 1


def test_a_poisoned_session_is_reported_and_rests(
    world: TrainerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.session()
    lost = world.answer(count=4)[2]
    world.lose("s1", lost)

    for _ in range(5):
        world.refit("s1")

    assert world.measured("refits_total", result="failed") == 1
    assert world.due() == ["s1"]
    assert world.trained_events() == 0
    messages = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(messages) == 1
    assert lost in messages[0]


def test_a_new_answer_is_a_new_try_after_a_failure_and_only_one(world: TrainerWorld) -> None:
    world.session()
    world.lose("s1", world.answer(count=4)[2])
    world.refit("s1")
    world.answer(count=1)
    for _ in range(5):
        world.refit("s1")
    assert world.measured("refits_total", result="failed") == 2
    failure = world.failure()
    assert failure is not None
    assert failure.num_events == 5


def test_answers_that_came_while_a_refit_failed_are_tried_at_once(
    world: TrainerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.session()
    world.answer(count=2)

    def fit_or_fail(*args: object, **kwargs: object) -> object:
        if len(args[2]) == 2:  # type: ignore[arg-type]
            world.answer(count=1)
            raise NumericalError("two are too few")
        return fit(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(together, "fit", fit_or_fail)
    world.refit("s1")

    assert world.trained_events() == 3
    assert world.failure() is None
    assert world.due() == []


def test_why_a_refit_failed_is_kept_for_who_waits_for_it(world: TrainerWorld) -> None:
    world.session()
    lost = world.answer(count=4)[2]
    world.lose("s1", lost)

    world.refit("s1")

    failure = world.failure()
    assert failure is not None
    assert (failure.error, failure.num_events) == ("NotFound", 4)
    assert lost in failure.message
    assert failure.failed_at == pytest.approx(time.time(), abs=30)


def test_a_bug_of_ours_is_kept_without_its_text(world: TrainerWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world.session()
    world.answer(count=2)

    def broken(*_: object) -> object:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(together, "fit", broken)
    world.refit("s1")

    failure = world.failure()
    assert failure is not None
    assert (failure.error, failure.num_events) == ("Internal", 2)
    assert "hunter2" not in failure.message


def test_a_damaged_log_is_a_failure_of_all_its_answers(world: TrainerWorld) -> None:
    world.session()
    world.answer(count=3)
    world.client.lset(keys.events("s1"), 1, "not an event")

    world.refit("s1")

    failure = world.failure()
    assert failure is not None
    assert (failure.error, failure.num_events) == ("DataLoss", 3)


def test_a_session_that_is_not_there_keeps_no_failure(world: TrainerWorld) -> None:
    world.refit("nobody")
    assert world.failure("nobody") is None


def test_a_poisoned_session_heals_by_itself_once_its_cause_is_gone(world: TrainerWorld) -> None:
    world.session(prior="other")
    world.answer(count=3)
    world.refit("s1", lease_s=0.5)
    assert world.measured("refits_total", result="failed") == 1
    write_prior(world.priors / "other")
    assert world.failure() is not None
    while world.trained_events() == 0:
        world.refit("s1")
    assert world.due() == []
    assert world.failure() is None


def test_another_poisoned_session_does_not_touch_this_one(world: TrainerWorld) -> None:
    for name in ("bad", "good"):
        world.session(name)
    world.lose("bad", world.answer("bad", 2)[0])
    world.answer("good", 2)
    for name in world.due():
        world.refit(name)
    assert world.due() == ["bad"]
    assert world.trained_events("good") == 2


def test_a_store_that_is_away_leaves_the_session_due_and_its_lease_free(
    world: TrainerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.session()
    world.answer(count=2)

    def away(*_: object) -> object:
        raise Unavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(world.stores.ledger, "logs", away)
        with pytest.raises(Unavailable):
            world.refit("s1")
    world.refit("s1")
    assert world.trained_events() == 2


def test_a_reloaded_prior_is_refitted_though_no_answer_is_new(world: TrainerWorld) -> None:
    world.session(surrogate="linear")
    world.answer()
    world.refit("s1")
    replaced = write_prior(world.priors / "toy", seed=1)
    world.stores.due.mark("s1")
    world.refit("s1")
    current = world.stores.surrogates.current("s1")
    assert current is not None
    assert load(world.stores.surrogates.blob("s1", current.version)).prior_hash == replaced.content_hash
    assert world.due() == []


def test_a_due_session_without_answers_is_settled(world: TrainerWorld) -> None:
    world.session()
    world.stores.due.mark("s1")
    world.refit("s1")
    assert world.due() == []
    assert world.trained_events() == 0


def test_a_refit_encodes_only_the_new_answers(world: TrainerWorld) -> None:
    world.session()
    world.answer(count=8)
    world.refit("s1")
    first = world.cache.num_bytes
    world.answer(count=2)
    world.refit("s1")
    assert world.cache.num_bytes == first * 10 / 8


def test_a_server_that_is_not_there_is_unavailable(world: TrainerWorld) -> None:
    client = connect("redis://127.0.0.1:1/0", timeout_s=0.2)
    with pytest.raises(Unavailable):
        DueStore(client).acquire("s1", 1.0)


def _blind_fits(monkeypatch: pytest.MonkeyPatch, world: TrainerWorld) -> None:
    """From now on fits know nothing: a transport or a prior that is broken, or a bug."""

    def blind(*args: object, **kwargs: object) -> object:
        fitted = fit(*args, **kwargs)  # type: ignore[arg-type]
        assert isinstance(fitted, LinearSurrogate)
        nothing = torch.zeros_like(fitted.weights), torch.zeros_like(fitted.intercepts)
        return replace(fitted, weights=nothing[0], intercepts=nothing[1])

    monkeypatch.setattr(together, "fit", blind)


def test_a_refit_that_got_worse_leaves_the_old_one_steering_until_the_next_answer(
    world: TrainerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.session(surrogate="linear")
    world.answer(count=24)
    world.refit("s1")
    before = world.stores.surrogates.current("s1")
    world.answer(count=8)
    with monkeypatch.context() as patch:
        _blind_fits(patch, world)
        world.refit("s1")
        assert world.stores.surrogates.current("s1") == before
        assert world.due() == [], "the same answers would give the same refit"
        failure = world.failure()
        assert failure is not None
        assert (failure.error, failure.num_events) == ("NumericalError", 32)
        world.refit("s1")
        assert world.measured("refits_total", result="gated") == 1
        assert world.measured("refits_total", result="failed") == 0

    world.answer(count=1)
    assert world.due() == ["s1"]
    world.refit("s1")
    assert world.trained_events() == 33
    assert world.failure() is None


def test_what_is_compared_with_is_of_the_same_prior(world: TrainerWorld) -> None:
    world.session()
    world.answer(count=12)
    world.refit("s1")
    write_prior(world.priors / "toy", seed=1)
    world.answer(count=4)
    world.refit("s1")
    assert world.trained_events() == 16


def test_a_damaged_surrogate_is_replaced_without_a_comparison(
    world: TrainerWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.session()
    world.answer(count=4)
    world.refit("s1")
    world.damage("s1")
    world.answer(count=1)
    world.refit("s1")
    assert world.trained_events() == 5
    assert "refitted from nothing" in caplog.text
