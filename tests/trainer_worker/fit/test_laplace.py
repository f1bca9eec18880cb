from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize
from torch import Tensor

from apa.errors import NumericalError
from apa.records.session import FeedbackKindName
from trainer_worker.fit import laplace
from trainer_worker.fit.choices import NOISE_VARIANCE, Choices
from trainer_worker.fit.laplace import (
    BASE_RATE_STD,
    LaplacePosterior,
    Root,
    choose_posterior,
    find_mode,
    laplace_posterior,
    log_evidence,
    spread,
)
from trainer_worker.observations import Observations

KINDS: list[FeedbackKindName] = ["binary", "pairwise", "ranking"]
SIZES = [(12, 30), (30, 8)]
STD = 1.7


def _answers(kind: FeedbackKindName, f: Tensor, count: int, seed: int = 0) -> Observations:
    """Answers as the likelihood draws them from latents f: (M,)."""
    rng = np.random.default_rng(seed)
    items = torch.zeros(len(f), 1)
    if kind == "binary":
        about = [(int(rng.integers(len(f))),) for _ in range(count)]
        liked = [float(rng.random() < 1 / (1 + math.exp(-f[row]))) for (row,) in about]
        return Observations(items, kind, tuple(about), torch.tensor(liked, dtype=torch.float64))
    size = 2 if kind == "pairwise" else 4
    orders = []
    for _ in range(count):
        shown = rng.choice(len(f), size, replace=False)
        # Gumbel noise makes the order Plackett-Luce's.
        utility = f.numpy()[shown] + rng.gumbel(size=size)
        orders.append(tuple(int(row) for row in shown[np.argsort(-utility)]))
    return Observations(items, kind, tuple(orders), torch.zeros(count, dtype=torch.float64))


def _design(count: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator, dtype=torch.float64) / math.sqrt(width)


def _problem(kind: FeedbackKindName, count: int, width: int, seed: int = 0) -> tuple[Choices, Tensor, float]:
    design = _design(count, width, seed)
    weights = torch.randn(width, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    observations = _answers(kind, 2.0 * design @ weights, 40, seed)
    return Choices.of(observations), design, BASE_RATE_STD if kind == "binary" else 0.0


def _fitted(choices: Choices, design: Tensor, intercept_std: float) -> LaplacePosterior:
    root = Root.of(design)
    mode = find_mode(choices, root.basis(STD, intercept_std), root.origin())
    return laplace_posterior(choices, root, STD, intercept_std, mode)


def _dense(design: Tensor, intercept_std: float) -> Tensor:
    """(M, F + 1), with the intercept's column as the posterior has it."""
    return torch.cat([design, torch.full_like(design[:, :1], intercept_std / STD)], dim=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "width"), SIZES)
def test_the_mode_is_that_of_an_independent_optimiser(kind: FeedbackKindName, count: int, width: int) -> None:
    choices, design, intercept_std = _problem(kind, count, width)
    z = _dense(design, intercept_std)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        weights = torch.tensor(w, requires_grad=True)
        value = 0.5 * weights @ weights / STD**2 - choices.log_likelihood(z @ weights)
        (slope,) = torch.autograd.grad(value, weights)
        return float(value.detach()), slope.numpy()

    found = minimize(
        loss, np.zeros(width + 1), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 0}
    )
    np.testing.assert_allclose(_fitted(choices, design, intercept_std).weights.numpy(), found.x, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "width"), SIZES)
def test_the_posterior_is_the_dense_laplace_approximation(
    kind: FeedbackKindName, count: int, width: int
) -> None:
    choices, design, intercept_std = _problem(kind, count, width)
    fitted = _fitted(choices, design, intercept_std)
    z = _dense(design, intercept_std)
    eye = torch.eye(width + 1, dtype=torch.float64)
    precision = eye / STD**2 + z.T @ choices.curvature(z @ fitted.weights) @ z
    covariance = torch.linalg.inv(precision)
    found = STD**2 * (eye - fitted.factor.T @ fitted.factor)
    torch.testing.assert_close(found, covariance, atol=1e-9, rtol=1e-7)
    torch.testing.assert_close(fitted.f, z @ fitted.weights, atol=1e-9, rtol=1e-7)
    torch.testing.assert_close(fitted.f_covariance, z @ covariance @ z.T, atol=1e-9, rtol=1e-7)


def _one_item(liked: int, of: int) -> Choices:
    values = torch.tensor([1.0] * liked + [0.0] * (of - liked), dtype=torch.float64)
    return Choices.of(Observations(torch.zeros(1, 1), "binary", ((0,),) * of, values))


def _two_items(won: int, of: int) -> Choices:
    rows = ((0, 1),) * won + ((1, 0),) * (of - won)
    return Choices.of(Observations(torch.zeros(2, 1), "pairwise", rows, torch.zeros(of, dtype=torch.float64)))


@pytest.mark.parametrize(
    ("choices", "basis"),
    [(_one_item(9, 40), [[2.0]]), (_one_item(30, 40), [[0.5]]), (_two_items(25, 40), [[1.0], [-0.5]])],
    ids=["likes", "narrow prior", "comparisons"],
)
def test_the_evidence_is_the_integral_in_one_dimension(choices: Choices, basis: list[list[float]]) -> None:
    root = torch.tensor(basis, dtype=torch.float64)
    mode = find_mode(choices, root, torch.zeros(1, dtype=torch.float64))
    peak = float(choices.log_likelihood(root @ mode))

    def joint(u: float) -> float:
        f = root @ torch.tensor([u], dtype=torch.float64)
        return math.exp(float(choices.log_likelihood(f)) - peak - 0.5 * u * u) / math.sqrt(2 * math.pi)

    exact = math.log(quad(joint, -10, 10, points=[float(mode)])[0]) + peak
    assert log_evidence(choices, root, mode) == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_items_does_not_matter(kind: FeedbackKindName) -> None:
    design = _design(12, 5)
    observations = _answers(kind, 3.0 * design[:, 0], 30)
    permutation = torch.randperm(12, generator=torch.Generator().manual_seed(2))
    place = permutation.argsort().tolist()
    rows = tuple(tuple(place[row] for row in named) for named in observations.rows)
    moved = Observations(observations.x, kind, rows, observations.values)
    noise = NOISE_VARIANCE[kind]
    first = choose_posterior(Choices.of(observations), design, noise, 0.0)
    second = choose_posterior(Choices.of(moved), design[permutation], noise, 0.0)
    torch.testing.assert_close(second.weights, first.weights, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(second.f, first.f[permutation], atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_opposite_answers_give_the_opposite_taste(kind: FeedbackKindName) -> None:
    design = _design(12, 5)
    asked = _answers(kind, 3.0 * design[:, 0], 30)
    rows = asked.rows if kind == "binary" else tuple(named[::-1] for named in asked.rows)
    opposite = Observations(asked.x, kind, rows, 1.0 - asked.values)
    intercept_std = BASE_RATE_STD if kind == "binary" else 0.0
    first, second = (
        choose_posterior(Choices.of(each), design, NOISE_VARIANCE[kind], intercept_std)
        for each in (asked, opposite)
    )
    torch.testing.assert_close(second.weights, -first.weights, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(second.factor.T @ second.factor, first.factor.T @ first.factor)


def _separable(kind: FeedbackKindName) -> tuple[Choices, Tensor]:
    """Answers without any noise: nothing but the prior keeps the weights finite."""
    design = _design(80, 130)
    latent = design[:, 0]
    if kind == "binary":
        likes = tuple((row,) for row in range(80))
        return Choices.of(Observations(torch.zeros(80, 1), kind, likes, (latent > 0).double())), design
    rng, size = np.random.default_rng(0), 2 if kind == "pairwise" else 8
    shown = [sorted(rng.choice(80, size, replace=False), key=lambda row: -latent[row]) for _ in range(40)]
    rows = tuple(tuple(map(int, order)) for order in shown)
    return Choices.of(Observations(torch.zeros(80, 1), kind, rows, torch.zeros(40).double())), design


@pytest.mark.parametrize("kind", KINDS)
def test_answers_without_noise_converge(kind: FeedbackKindName) -> None:
    choices, design = _separable(kind)
    fitted = choose_posterior(choices, design, NOISE_VARIANCE[kind], 0.0)
    assert bool(torch.isfinite(fitted.weights).all())
    chance = choices.log_likelihood(torch.zeros_like(fitted.f))
    assert float(choices.log_likelihood(fitted.f)) > 0.5 * float(chance)


def test_a_start_from_far_away_converges_by_shorter_steps() -> None:
    choices = _one_item(1, 2)
    basis = torch.full((1, 1), 50.0, dtype=torch.float64)
    mode = find_mode(choices, basis, torch.full((1,), 3.0, dtype=torch.float64))
    assert float(mode) == pytest.approx(0.0, abs=1e-6)


def test_what_does_not_converge_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laplace, "MAX_STEPS", 1)
    choices, design, intercept_std = _problem("binary", 12, 30)
    with pytest.raises(NumericalError, match="mode"):
        _fitted(choices, design, intercept_std)


def test_items_that_all_look_the_same_teach_the_base_rate_only() -> None:
    same = torch.zeros(6, 3, dtype=torch.float64)
    values = torch.tensor([1.0, 1.0, 1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    likes = Observations(torch.zeros(6, 1), "binary", tuple((i,) for i in range(6)), values)
    fitted = choose_posterior(Choices.of(likes), same, NOISE_VARIANCE["binary"], BASE_RATE_STD)
    assert float(fitted.weights[:-1].abs().max()) == 0.0
    torch.testing.assert_close(fitted.f, torch.full((6,), math.log(5)).double(), atol=0.2, rtol=0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_at_their_rate(kind: FeedbackKindName) -> None:
    """90% intervals of new items' latents, strength chosen by the evidence. The mean coverage of 30 tastes,
    each of 40 new items, has a standard error of about 0.02."""
    width, weight_std, inside = 10, 2.0, []
    for seed in range(30):
        design = _design(60, width, 3 * seed)
        generator = torch.Generator().manual_seed(3 * seed + 1)
        weights = weight_std * torch.randn(width, generator=generator, dtype=torch.float64)
        observations = _answers(kind, design @ weights, 60, seed)
        intercept_std = BASE_RATE_STD if kind == "binary" else 0.0
        fitted = choose_posterior(Choices.of(observations), design, NOISE_VARIANCE[kind], intercept_std)
        new = _design(40, width, 3 * seed + 2)
        z = torch.cat([new, torch.full_like(new[:, :1], fitted.intercept_scale)], dim=1)
        learnt = z @ fitted.factor.T
        std = fitted.weight_std * ((z * z).sum(dim=1) - (learnt * learnt).sum(dim=1)).sqrt()
        inside.append(((z @ fitted.weights - new @ weights).abs() < 1.645 * std).double().mean())
    assert 0.82 < float(torch.stack(inside).mean()) < 0.98


def test_the_spread_of_equal_likes_is_that_of_an_answer_and_grows_with_the_taste() -> None:
    design, noise = _design(60, 10), NOISE_VARIANCE["binary"]

    def spread_of(liked: Callable[[Tensor], Tensor]) -> float:
        values = liked(design).double()
        likes = Observations(torch.zeros(60, 1), "binary", tuple((i,) for i in range(60)), values)
        return spread(choose_posterior(Choices.of(likes), design, noise, BASE_RATE_STD), noise)

    alike, apart = spread_of(lambda z: torch.ones(60)), spread_of(lambda z: z[:, 0] > 0)
    assert math.sqrt(noise) <= alike < 1.5 * math.sqrt(noise)
    assert apart > 2.0 * alike
