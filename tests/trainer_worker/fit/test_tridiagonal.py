"""Without eigenvectors, the same as through them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainer_worker.fit import ridge
from trainer_worker.fit.tridiagonal import Answers, log_posterior, posterior


def _drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _filled_up(design: Tensor, y: Tensor, size: int) -> tuple[Tensor, Answers]:
    rows = len(y)
    design = torch.nn.functional.pad(design, (0, 0, 0, size - rows))[None]
    filled = torch.nn.functional.pad(y, (0, size - rows))[None]
    nothing, count = torch.zeros(1).double(), torch.tensor([float(rows)]).double()
    return design, Answers(filled, nothing, count, [rows])


@pytest.mark.parametrize(
    ("rows", "size", "width"), [(1, 1, 3), (1, 4, 3), (2, 2, 5), (33, 40, 50), (70, 80, 200)]
)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e3])
def test_evidence_and_posterior_are_those_of_the_eigenbasis(
    rows: int, size: int, width: int, scale: float
) -> None:
    design, y = scale * _drawn(rows, width), _drawn(rows, seed=1)
    stacked, answers = _filled_up(design, y, size)
    problem = ridge.spectrum(design, y)
    gram = stacked @ stacked.mT
    found = log_posterior(gram[:, None].clone(), answers)[0, 0]
    torch.testing.assert_close(found, ridge.log_posterior(problem), rtol=1e-8, atol=1e-8)
    ratio = ridge.RATIOS[int(found.argmax())]
    known, alone = posterior(stacked, gram, answers, ratio[None]), ridge.posterior(problem, ratio)
    torch.testing.assert_close(known.weights[0], alone.weights, rtol=1e-6, atol=1e-9 / scale)
    learnt = alone.factor.mT @ alone.factor
    torch.testing.assert_close((known.factor.mT @ known.factor)[0], learnt, rtol=1e-6, atol=1e-9)
    assert float(known.variance) == pytest.approx(float(alone.variance), rel=1e-8)
    assert not known.factor[0, rows:].any()


def test_each_design_of_a_stack_has_its_own_evidence() -> None:
    designs, y = [_drawn(3, 12, 20, seed=one) for one in range(2)], _drawn(3, 12, seed=5)
    grams = torch.stack([design @ design.mT for design in designs], dim=1)
    found = log_posterior(
        grams, Answers(y, torch.zeros(3).double(), torch.full((3,), 12.0).double(), [12] * 3)
    )
    for place, design in enumerate(designs):
        alone = ridge.log_posterior(ridge.spectrum(design, y))
        torch.testing.assert_close(found[:, place], alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "y", [torch.zeros(4), torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, -2.0, 0.0])]
)
def test_answers_that_say_nothing_or_lie_along_an_axis_are_no_special_case(y: Tensor) -> None:
    design, y = _drawn(4, 6), y.double()
    stacked, answers = _filled_up(design, y, 4)
    found = log_posterior((stacked @ stacked.mT)[:, None], answers)[0, 0]
    torch.testing.assert_close(found, ridge.log_posterior(ridge.spectrum(design, y)), rtol=1e-9, atol=1e-9)


def test_rows_that_are_the_same_leave_no_pivot_below_the_ratio() -> None:
    design, y = 1e4 * _drawn(1, 6).expand(30, -1), _drawn(30)
    stacked, answers = _filled_up(design, y, 32)
    found = log_posterior((stacked @ stacked.mT)[:, None], answers)[0, 0]
    expected = ridge.log_posterior(ridge.spectrum(design, y))
    # Of 29 eigenvalues that are 0 each comes out as a rounding of the largest, which processors differ in.
    rounding = len(y) * torch.finfo(torch.float64).eps * float(design.square().sum())
    assert bool(((found - expected).abs() <= rounding / ridge.RATIOS + 1e-8).all())


def test_more_pivots_than_float64_can_multiply() -> None:
    design, y = torch.eye(300).double(), _drawn(300)
    stacked, answers = _filled_up(1e-3 * design, y, 300)
    found = log_posterior((stacked @ stacked.mT)[:, None], answers)[0, 0]
    torch.testing.assert_close(found, ridge.log_posterior(ridge.spectrum(1e-3 * design, y)))


def test_a_gram_matrix_that_is_none_is_refused() -> None:
    _, answers = _filled_up(torch.eye(2).double(), torch.ones(2).double(), 2)
    with pytest.raises(RuntimeError, match="positive-definite"):
        posterior(
            torch.eye(2).double()[None], -torch.eye(2).double()[None], answers, torch.tensor([0.5]).double()
        )
