"""The loop spends its budget exactly, learns from every answer, and is the same for the same seed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from alignment import Round, align
from alignment.learning import joined
from alignment.loop import cost
from alignment.respondent import Respondent
from apa.errors import InvalidArgument
from apa.records.sampling import SamplingOverrides
from apa.records.session import SessionConfig
from apa.surrogates import LinearSurrogate
from sampler_service.selection import DRAWS_PER_PARTICLE
from tests.apa.priors.networks import small_mlp_prior
from trainer_worker.fit import WarmStart
from trainer_worker.fit.cohort import Cohort, learn_cohort
from trainer_worker.fit.functions import Functions
from trainer_worker.fit.warm import share_of
from trainer_worker.observations import Observations

PRIOR = small_mlp_prior()


def _taste(x: Tensor) -> Tensor:
    return torch.sigmoid(x[:, 0])


def _config(**changes: Any) -> SessionConfig:
    given = {"surrogate": "linear", "budget": 20, "particles_per_round": 8, "num_particles": 16, **changes}
    return SessionConfig(prior="small", sampling=SamplingOverrides(num_steps=4, beta=0.5), **given)


def test_the_last_round_asks_for_what_is_left_when_k_does_not_divide_the_budget() -> None:
    asked: list[tuple[int, int]] = []
    respond = Respondent(_taste, "scalar")

    def noting(x: Tensor, answers: int) -> Observations:
        asked.append((len(x), answers))
        return respond(x, answers)

    history = align(PRIOR, noting, _config())

    assert asked == [(8, 8), (8, 8), (4, 4)]
    assert [each.spent for each in history.rounds] == [8, 16, 20]
    assert [each.slate.round_index for each in history.rounds] == [0, 1, 2]


def test_a_first_slate_that_explores_is_chosen_from_more_draws_than_it_shows() -> None:
    exploring, plain = (
        align(PRIOR, Respondent(_taste, "scalar"), _config(policy=policy, budget=8)).rounds[0]
        for policy in ("ucb", "epsilon_greedy")
    )

    assert (len(exploring.population.x), len(plain.population.x)) == (16 * DRAWS_PER_PARTICLE, 8)
    assert {item.propensity for item in (*exploring.slate.items, *plain.slate.items)} == {1.0}
    # Further from each other than draws as they come.
    assert torch.pdist(exploring.x).min() > torch.pdist(plain.x).min()


def test_the_first_round_shows_draws_of_the_prior_and_the_others_are_steered_and_chosen() -> None:
    first, second, _ = align(PRIOR, Respondent(_taste, "scalar"), _config()).rounds

    assert {item.reason for item in first.slate.items} == {"cold_start"}
    assert len(first.slate.items) == 8
    assert not first.population.log_weights.any()
    assert {item.reason for item in second.slate.items} == {"top"}
    assert len(second.population.x) == 16
    assert second.population.log_weights.any()


def test_every_answer_so_far_is_learnt_from() -> None:
    rounds = align(PRIOR, Respondent(_taste, "scalar"), _config()).rounds

    so_far = joined([each.answers for each in rounds])
    assert torch.equal(so_far.x, torch.cat([each.x for each in rounds]))
    assert torch.allclose(so_far.values[so_far.item_of_value], _taste(so_far.x).double())
    last = rounds[-1].surrogate
    assert isinstance(last, LinearSurrogate)
    assert last.reward_mean == pytest.approx(float(_taste(so_far.x).mean()))


def test_the_same_seed_gives_the_same_history_and_another_seed_another() -> None:
    once, again, other = (align(PRIOR, Respondent(_taste, "scalar"), _config(), seed=s) for s in (3, 3, 4))

    assert all(torch.equal(a.x, b.x) for a, b in zip(once.rounds, again.rounds, strict=True))
    assert not torch.equal(once.rounds[0].x, other.rounds[0].x)


def test_rounds_are_told_as_they_end() -> None:
    told: list[Round] = []

    history = align(PRIOR, Respondent(_taste, "scalar"), _config(), on_round=told.append)

    assert tuple(told) == history.rounds


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        (lambda x: Observations(x, "binary", ((0,),), torch.ones(1)), "kind"),
        (lambda x: Observations(x[:1], "scalar", ((0,),), torch.ones(1)), "x"),
        (lambda x: Observations(x, "scalar", (), torch.ones(0)), "answers"),
        (lambda x: Observations(x, "scalar", tuple((0,) for _ in range(9)), torch.ones(9)), "answers"),
    ],
)
def test_answers_that_were_not_asked_for_are_refused(answers: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        align(PRIOR, lambda x, _: answers(x), _config())

    assert caught.value.field == field


@pytest.mark.parametrize(
    ("kind", "shown", "spent"), [("pairwise", [8, 8, 4], [4, 8, 10]), ("ranking", [8, 4], [7, 10])]
)
def test_comparisons_and_rankings_are_asked_for_what_they_cost(
    kind: str, shown: list[int], spent: list[int]
) -> None:
    config = _config(feedback_kind=kind, budget=10)

    rounds = align(PRIOR, Respondent(_taste, config.feedback_kind), config).rounds

    assert [len(each.x) for each in rounds] == shown
    assert [each.spent for each in rounds] == spent


def test_what_only_a_service_does_is_refused() -> None:
    with pytest.raises(InvalidArgument) as caught:
        align(PRIOR, Respondent(_taste, "scalar"), _config(raters=("ada", "bob")))

    assert caught.value.field == "raters"


def test_a_ranking_costs_one_less_than_it_names() -> None:
    x = torch.zeros(4, 5)

    assert cost(Observations(x, "ranking", ((2, 0, 1),), torch.zeros(1))) == 2
    assert cost(Observations(x, "pairwise", ((2, 0), (1, 3)), torch.zeros(2))) == 2
    assert cost(Observations(x, "scalar", ((0,), (1,)), torch.zeros(2))) == 2


def _cohort_of_the_taste() -> WarmStart:
    functions = Functions.of_prior(PRIOR)
    shares = []
    for seed in range(8):
        x = torch.randn(40, 5, generator=torch.Generator().manual_seed(seed))
        shares.append(share_of(functions, Observations.scalar(x, _taste(x)), x.double()))
    return WarmStart(functions, learn_cohort(shares, len(functions)))


def test_a_cohort_steers_the_first_slate() -> None:
    config = _config(surrogate="gp", num_particles=64, policy="batch_ucb")
    warm, cold = [], []
    for seed in range(4):
        respond = Respondent(_taste, "scalar")
        warm.append(align(PRIOR, respond, config, seed=seed, cohort=_cohort_of_the_taste()).rounds)
        cold.append(align(PRIOR, respond, config, seed=seed).rounds)

    assert all(item.reason != "cold_start" for item in warm[0][0].slate.items)
    assert all(rounds[0].quality is None for rounds in warm)
    first = [[float(_taste(rounds[0].x).mean()) for rounds in each] for each in (warm, cold)]
    assert sum(first[0]) / 4 > sum(first[1]) / 4 + 0.1


def test_a_cohort_needs_a_gp() -> None:
    nobody = Cohort(torch.zeros(1), torch.eye(1), 0)
    start = WarmStart(Functions.of_prior(PRIOR), nobody)
    with pytest.raises(InvalidArgument, match="only a gp begins from a cohort"):
        align(PRIOR, Respondent(_taste, "scalar"), _config(), cohort=start)
