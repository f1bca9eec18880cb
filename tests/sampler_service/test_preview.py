"""Previews: the denoised estimates of the heaviest particles, and nothing else changed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from apa.records.sampling import SamplingConfig
from sampler_service.engine import Progress, tick
from sampler_service.population import Population
from sampler_service.potential import as_potential
from sampler_service.preview import preview_of
from sampler_service.run import Run, plan_run, start_run
from tests.sampler_service.problems import SLOPE, three_modes

PRIOR = three_modes()
RESAMPLING = SamplingConfig(num_steps=20, beta=3.0, ess_threshold=0.9)
N = 40


def _run(config: SamplingConfig = RESAMPLING, *, steered: bool = True) -> Run:
    reward = SLOPE if steered else None
    return start_run(
        plan_run(PRIOR, as_potential(reward, config.corrector), config, N), torch.device("cpu"), seed=5
    )


def _watched(run: Run, num: int, slices: int = N) -> tuple[list[Progress], Population]:
    """Every Progress of a run with previews, and its population."""
    seen: list[Progress] = []
    while True:
        (outcome,) = tick([run], [min(slices, run.rows_left)], [num])
        if isinstance(outcome, Population):
            return seen, outcome
        if outcome is not None:
            assert isinstance(outcome, Progress), outcome
            seen.append(outcome)


@settings(max_examples=40)
@given(n=st.integers(1, 30), num=st.integers(1, 40), seed=st.integers(0, 1000))
def test_a_preview_is_of_the_heaviest_with_their_shares(n: int, num: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_weights = 3.0 * torch.randn(n, generator=generator, dtype=torch.float64) - 500.0
    x_0_hat = torch.randn(n, 2, 3, generator=generator)

    preview = preview_of(x_0_hat, log_weights, num)

    assert preview.rows.tolist() == sorted(range(n), key=lambda row: -float(log_weights[row]))[:num]
    assert torch.equal(preview.x_0_hat, x_0_hat[preview.rows])
    torch.testing.assert_close(preview.log_weights.exp(), torch.softmax(log_weights, 0)[preview.rows])


def test_of_equal_weights_the_first_rows_are_shown() -> None:
    seen, _ = _watched(_run(SamplingConfig(num_steps=3), steered=False), 5)

    for progress in seen:
        assert progress.preview is not None
        assert progress.preview.rows.tolist() == [0, 1, 2, 3, 4]
        assert progress.preview.log_weights.exp().tolist() == pytest.approx([1 / N] * 5)


def test_at_each_step_the_preview_is_what_the_prior_expects_of_the_heaviest_before_any_resampling() -> None:
    run = _run()
    resampled = 0
    for step in range(20):
        x_t, t = run.x, run.t
        (outcome,) = tick([run], None, [7])
        assert isinstance(outcome, Progress)
        preview = outcome.preview
        assert preview is not None
        expected = PRIOR.denoise(x_t, torch.full((N,), t)).x_0_hat
        torch.testing.assert_close(preview.x_0_hat, expected[preview.rows])
        shares = preview.log_weights.exp()
        assert torch.equal(shares, shares.sort(descending=True).values)
        if step > 0 and outcome.ess < 0.99 * N:
            assert shares[0] > 1 / N, "weights of after the resampling are all alike"
        resampled += outcome.resampled
    assert resampled > 0


def test_all_particles_of_a_step_have_shares_that_add_up_and_give_its_ess() -> None:
    seen, _ = _watched(_run(), N)

    for progress in seen:
        assert progress.preview is not None
        assert sorted(progress.preview.rows.tolist()) == list(range(N))
        shares = progress.preview.log_weights.exp()
        assert float(shares.sum()) == pytest.approx(1.0)
        assert float(1.0 / (shares * shares).sum()) == pytest.approx(progress.ess)


@pytest.mark.parametrize("slices", [N, 7])
@pytest.mark.parametrize(
    "corrector", ["fkc", "twisted", "clipped", "clipped_without_drift", "guidance", "none"]
)
def test_a_run_ends_with_the_same_particles_watched_or_not(corrector: str, slices: int) -> None:
    config = RESAMPLING.model_copy(update={"corrector": corrector})

    _, unwatched = _watched(_run(config), 0, slices)
    seen, watched = _watched(_run(config), 3, slices)

    assert torch.equal(watched.x, unwatched.x)
    assert torch.equal(watched.log_weights, unwatched.log_weights)
    assert torch.equal(watched.ancestors, unwatched.ancestors)
    assert (watched.log_z, watched.ess_history) == (unwatched.log_z, unwatched.ess_history)
    assert [progress.step for progress in seen if progress.preview is not None] == list(range(20))


def test_a_preview_is_its_own_even_when_the_run_goes_on() -> None:
    run = _run()
    (first,) = tick([run], None, [N])
    assert isinstance(first, Progress)
    assert first.preview is not None
    before = first.preview.x_0_hat.clone()

    _watched(run, 0)

    assert torch.equal(first.preview.x_0_hat, before)


def test_of_runs_that_share_a_tick_only_those_that_asked_are_previewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []

    def counted(x_0_hat: torch.Tensor, log_weights: torch.Tensor, num: int) -> object:
        made.append(num)
        return preview_of(x_0_hat, log_weights, num)

    monkeypatch.setattr("sampler_service.engine.preview_of", counted)

    outcomes = tick([_run(), _run(), _run()], None, [0, 4, 0])
    tick([_run(), _run()])

    previews = [outcome.preview for outcome in outcomes if isinstance(outcome, Progress)]
    assert [preview is None for preview in previews] == [True, False, True]
    assert made == [4]
