"""Members teach their cohort with every refit, a newcomer begins from it, and who is erased has left it."""

from __future__ import annotations

import torch

from apa import keys
from apa.store.cohorts import CohortName, CohortStore, key_of
from apa.store.erasure import Erasure
from apa.surrogates import GpSurrogate, load
from tests.trainer_worker.world import TrainerWorld, write_prior
from trainer_worker.cohorts import Cohorts
from trainer_worker.shelf import PriorShelf


def _a_member(world: TrainerWorld, session_id: str, answers: int = 16, cohort: str = "viewers") -> None:
    world.session(session_id, surrogate="gp", cohort=cohort)
    if answers:
        world.answer(session_id, answers)
    world.refit(session_id)


def _members(world: TrainerWorld, session_id: str = "m0") -> list[str]:
    """Who has taught the cohort of this session."""
    shelved = PriorShelf([world.priors]).get("toy")
    name = Cohorts().name(world.stores.sessions.get(session_id), shelved)
    return list(CohortStore(world.client).shares(name))


def _current(world: TrainerWorld, session_id: str) -> GpSurrogate | None:
    version = world.stores.surrogates.current(session_id)
    if version is None:
        return None
    surrogate = load(world.stores.surrogates.blob(session_id, version.version))
    assert isinstance(surrogate, GpSurrogate)
    return surrogate


def _likes(surrogate: GpSurrogate, world: TrainerWorld) -> float:
    """Correlation with what all members like, the first coordinate."""
    x = torch.randn(200, 4, generator=torch.Generator().manual_seed(9))
    mean = surrogate.predict(write_prior(world.priors / "toy"), x).mean
    return float(torch.corrcoef(torch.stack([mean, x[:, 0].to(mean)]))[0, 1])


def test_a_newcomer_is_steered_by_what_the_cohort_likes_before_its_first_answer(world: TrainerWorld) -> None:
    for member in range(6):
        _a_member(world, f"m{member}")
    assert len(_members(world)) == 6

    world.session("new", surrogate="gp", cohort="viewers")
    assert world.due() == ["new"]
    world.refit("new")

    assert world.due() == []
    surrogate = _current(world, "new")
    assert surrogate is not None
    assert _likes(surrogate, world) > 0.5
    assert world.trained_events("new") == 0
    assert "new" not in _members(world)


def test_the_first_member_begins_from_nobody(world: TrainerWorld) -> None:
    _a_member(world, "m0", answers=0)

    assert _current(world, "m0") is None
    assert world.due() == []


def test_after_its_first_answers_a_newcomer_teaches_too_and_is_judged_by_no_unanswered_start(
    world: TrainerWorld,
) -> None:
    for member in range(3):
        _a_member(world, f"m{member}")
    _a_member(world, "new", answers=0)
    world.answer("new", 8)
    world.refit("new")

    assert "new" in _members(world)
    version = world.stores.surrogates.current("new")
    assert version is not None
    assert version.trained_events == 8
    assert version.quality is None


def test_a_member_teaches_one_share_however_often_it_is_refitted(world: TrainerWorld) -> None:
    _a_member(world, "m0")
    before = _members(world)
    world.answer("m0", 8)
    world.refit("m0")

    assert before == _members(world) == ["m0"]


def test_another_cohort_and_another_kind_of_answer_are_others(world: TrainerWorld) -> None:
    _a_member(world, "m0")
    _a_member(world, "o0", cohort="readers")
    world.session("binary", surrogate="gp", cohort="viewers", feedback_kind="binary")

    assert _members(world, "m0") == ["m0"]
    assert _members(world, "o0") == ["o0"]
    assert _members(world, "binary") == []


def test_a_batch_reads_a_cohort_once_and_newcomers_share_what_is_learnt_of_it(world: TrainerWorld) -> None:
    for member in range(2):
        _a_member(world, f"m{member}")
    for newcomer in range(2):
        world.session(f"n{newcomer}", surrogate="gp", cohort="viewers")
    sessions = [world.stores.sessions.get(name) for name in ("n0", "m0", "n1", "m1")]
    cohorts, shelved, read = Cohorts(), PriorShelf([world.priors]).get("toy"), list[CohortName]()

    def shares(name: CohortName) -> dict[str, bytes]:
        read.append(name)
        return CohortStore(world.client).shares(name)

    starts = cohorts.starts(sessions, shelved, shares)

    assert len(read) == 1
    assert starts["n0"] is starts["n1"]
    assert None not in starts.values()
    # Nobody learns from their own answers twice.
    assert len({id(starts[name]) for name in ("n0", "m0", "m1")}) == 3


def test_closing_a_session_keeps_what_it_taught(world: TrainerWorld) -> None:
    _a_member(world, "m0")
    world.stores.sessions.close("m0")

    assert _members(world) == ["m0"]


def test_who_is_erased_has_left_the_cohort(world: TrainerWorld) -> None:
    _a_member(world, "m0")
    session = world.stores.sessions.get("m0")
    name = Cohorts().name(session, PriorShelf([world.priors]).get("toy"))
    assert world.client.hexists(key_of("m0", name), "m0")

    erased = Erasure(world.client).user(session.tenant, session.user_id)

    assert erased.cohort_shares == 1
    assert CohortStore(world.client).shares(name) == {}
    assert not world.client.exists(keys.cohorts("m0"), key_of("m0", name))


def test_a_refit_under_way_when_its_user_is_erased_teaches_nothing(world: TrainerWorld) -> None:
    _a_member(world, "m0")
    session = world.stores.sessions.get("m0")
    name = Cohorts().name(session, PriorShelf([world.priors]).get("toy"))
    world.answer("m0", 8)
    publish = world.stores.surrogates.publish_many

    def erased_first(*given: object, **named: object) -> object:
        Erasure(world.client).user(session.tenant, session.user_id)
        return publish(*given, **named)  # type: ignore[arg-type]

    world.stores.surrogates.publish_many = erased_first  # type: ignore[method-assign,assignment]
    world.refit("m0")

    assert CohortStore(world.client).shares(name) == {}


def test_a_damaged_share_is_left_out(world: TrainerWorld) -> None:
    for member in range(3):
        _a_member(world, f"m{member}")
    session = world.stores.sessions.get("m0")
    name = Cohorts().name(session, PriorShelf([world.priors]).get("toy"))
    world.client.hset(key_of("m0", name), "m0", b"damaged")
    _a_member(world, "new", answers=0)

    assert _current(world, "new") is not None


def test_a_prior_that_changes_leaves_no_share_on_the_functions_of_the_one_before(world: TrainerWorld) -> None:
    _a_member(world, "m0")
    before = Cohorts().name(world.stores.sessions.get("m0"), PriorShelf([world.priors]).get("toy"))
    write_prior(world.priors / "toy", seed=1)
    world.answer("m0", 8)
    world.refit("m0")

    assert CohortStore(world.client).shares(before) == {}
    assert _members(world) == ["m0"]
