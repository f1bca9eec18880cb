"""The tick: runs share a batch and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from apa.errors import ApaError, InvalidArgument, NumericalError
from apa.priors.base import Prior
from apa.records.sampling import SamplingConfig
from sampler_service.engine import Outcome, Progress, tick
from sampler_service.population import Population
from sampler_service.potential import Reward, as_potential
from sampler_service.run import Run, plan_run, start_run
from tests.sampler_service.problems import MILD, SLOPE, three_modes, two_modes

PRIOR = three_modes()
CPU = torch.device("cpu")


def _run(
    reward: Reward | None, config: SamplingConfig, seed: int = 0, n: int = 40, prior: Prior = PRIOR
) -> Run:
    return start_run(plan_run(prior, as_potential(reward, config.corrector), config, n), CPU, seed)


def _to_the_end(runs: list[Run]) -> list[Outcome]:
    """The last outcome of each run; a run that has ended leaves the batch."""
    last: dict[int, Outcome] = {}
    active = list(enumerate(runs))
    while active:
        outcomes = tick([run for _, run in active])
        last.update((i, outcome) for (i, _), outcome in zip(active, outcomes, strict=True))
        active = [pair for pair in active if isinstance(last[pair[0]], Progress)]
    return [last[i] for i in range(len(runs))]


def _population(outcome: Outcome) -> Population:
    assert isinstance(outcome, Population), outcome
    return outcome


def _mixed_runs() -> list[Run]:
    return [
        _run(SLOPE, SamplingConfig(num_steps=20, beta=3.0, ess_threshold=0.9), seed=5),
        _run(MILD, SamplingConfig(num_steps=13, corrector="twisted", integrator="ancestral"), n=17),
        _run(None, SamplingConfig(num_steps=7, corrector="none")),
        _run(MILD, SamplingConfig(num_steps=20, corrector="clipped"), seed=9),
        _run(MILD, SamplingConfig(num_steps=20), prior=two_modes(2)),
    ]


def test_a_run_gives_the_same_particles_alone_and_beside_others() -> None:
    together = [_population(outcome) for outcome in _to_the_end(_mixed_runs())]

    assert together[0].num_resamplings > 0
    for beside, run in zip(together, _mixed_runs(), strict=True):
        alone = _population(_to_the_end([run])[0])
        assert torch.allclose(beside.x, alone.x, atol=1e-4)
        assert torch.allclose(beside.log_weights, alone.log_weights, atol=1e-4)
        assert torch.equal(beside.ancestors, alone.ancestors)
        assert beside.ess_history == pytest.approx(alone.ess_history, rel=1e-4)
        assert beside.log_z == (None if alone.log_z is None else pytest.approx(alone.log_z, abs=1e-5))


def _in_slices(run: Run, rows: int) -> tuple[Outcome, int]:
    """The run's last outcome when no tick evaluates more than so many rows; and the number of ticks."""
    outcome: Outcome = None
    ticks = 0
    while outcome is None or isinstance(outcome, Progress):
        (outcome,) = tick([run], [min(rows, run.rows_left)])
        ticks += 1
    return outcome, ticks


@pytest.mark.parametrize("which", range(4))
def test_a_run_evaluated_in_slices_gives_the_same_particles(which: int) -> None:
    whole, sliced = _mixed_runs()[which], _mixed_runs()[which]

    expected = _population(_to_the_end([whole])[0])
    outcome, ticks = _in_slices(sliced, 7)

    population = _population(outcome)
    num_steps, num_slices = len(sliced.plan.steps), -(-len(sliced.x) // 7)
    assert ticks in (num_steps * num_slices + 1, (num_steps + 1) * num_slices)
    assert torch.allclose(population.x, expected.x, atol=1e-4)
    assert torch.allclose(population.log_weights, expected.log_weights, atol=1e-4)
    assert torch.equal(population.ancestors, expected.ancestors)
    assert len(population.ess_history) == num_steps


def test_a_run_steps_on_while_the_slices_of_a_larger_one_are_still_coming() -> None:
    large, small = _run(MILD, SamplingConfig(num_steps=3), n=40), _run(MILD, SamplingConfig(num_steps=5), n=4)
    expected = [
        _population(_to_the_end([_run(MILD, SamplingConfig(num_steps=k), n=n)])[0])
        for k, n in ((3, 40), (5, 4))
    ]

    steps = []
    for _ in range(4):
        first, second = tick([large, small], [8, 4])
        assert first is None
        assert isinstance(second, Progress)
        steps.append(second.step)
    ends = _to_the_end([large, small])

    assert steps == [0, 1, 2, 3]
    for end, whole in zip(ends, expected, strict=True):
        assert torch.allclose(_population(end).x, whole.x, atol=1e-4)


def test_an_error_in_one_slice_ends_its_own_run_only() -> None:
    def fails_on_the_right(x: Tensor) -> Tensor:
        if bool((x[:, 0] > 1.0).any()):
            raise ValueError("out of stock")
        return x[:, 0]

    bad, good = _run(fails_on_the_right, SamplingConfig(num_steps=5)), _run(MILD, SamplingConfig(num_steps=5))

    outcomes: list[Outcome] = [None, None]
    while outcomes[0] is None or isinstance(outcomes[0], Progress):
        outcomes = tick([bad, good], [min(3, run.rows_left) for run in (bad, good)])

    assert isinstance(outcomes[0], InvalidArgument)
    assert isinstance(_to_the_end([good])[0], Population)


def test_runs_may_join_while_others_are_under_way() -> None:
    alone = _population(_to_the_end([_run(MILD, SamplingConfig(num_steps=6))])[0])
    early, late = _run(SLOPE, SamplingConfig(num_steps=9)), _run(MILD, SamplingConfig(num_steps=6))
    for _ in range(3):
        tick([early])

    outcomes = _to_the_end([early, late])

    assert torch.allclose(_population(outcomes[1]).x, alone.x, atol=1e-5)


def test_progress_counts_steps_and_the_history_has_one_entry_for_each() -> None:
    run = _run(MILD, SamplingConfig(num_steps=4))

    steps = []
    for _ in range(4):
        (outcome,) = tick([run])
        assert isinstance(outcome, Progress)
        steps.append((outcome.step, outcome.num_steps))

    assert steps == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert len(_population(tick([run])[0]).ess_history) == 4


def _non_finite_near_data(x: Tensor) -> Tensor:
    return torch.where(x.abs().max() < 3.0, torch.nan, 0.0) * x[:, 0]


def _raises(x: Tensor) -> Tensor:
    raise ValueError("out of stock")


def test_an_error_ends_its_own_run_only() -> None:
    config = SamplingConfig(num_steps=20)
    runs = [_run(MILD, config), _run(_non_finite_near_data, config, seed=2), _run(_raises, config)]

    good, non_finite, raised = _to_the_end(runs)

    alone = _population(_to_the_end([_run(MILD, config)])[0])
    assert torch.allclose(_population(good).x, alone.x, atol=1e-5)
    assert isinstance(non_finite, NumericalError)
    assert isinstance(raised, InvalidArgument)
    assert "out of stock" in str(raised)


@pytest.mark.parametrize("corrector", ["fkc", "twisted", "clipped", "guidance"])
def test_a_non_finite_number_names_its_step(corrector: str) -> None:
    config = SamplingConfig.model_validate({"num_steps": 5, "corrector": corrector})

    (outcome,) = _to_the_end([_run(lambda x: torch.log(x[:, 0] - 1e9), config)])

    assert isinstance(outcome, NumericalError)
    assert "step 0 of 5" in str(outcome)


def test_weights_left_at_the_end_are_not_resampled_away() -> None:
    config = SamplingConfig(num_steps=10, beta=3.0, ess_threshold=1.0)

    population = _population(_to_the_end([_run(SLOPE, config)])[0])

    assert population.num_resamplings == 9
    assert population.log_weights.std() > 0


def test_no_threshold_never_resamples() -> None:
    config = SamplingConfig(num_steps=10, beta=10.0, ess_threshold=0.0)

    population = _population(_to_the_end([_run(SLOPE, config)])[0])

    assert population.num_resamplings == 0
    assert population.unique_ancestors == 40
    assert min(population.ess_history) < 20


def test_ancestors_are_cumulative_and_counted() -> None:
    config = SamplingConfig(num_steps=20, beta=10.0, ess_threshold=0.9)

    population = _population(_to_the_end([_run(SLOPE, config)])[0])

    assert population.unique_ancestors == len(set(population.ancestors.tolist())) < 40
    assert population.ancestors.max() < 40


def test_an_error_is_one_of_the_family() -> None:
    outcomes = _to_the_end([_run(_raises, SamplingConfig(num_steps=2))])

    assert all(isinstance(outcome, ApaError) for outcome in outcomes)
