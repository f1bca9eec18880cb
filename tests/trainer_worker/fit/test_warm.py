"""A process that begins from a cohort is that process conditioned, and leaves it where answers disagree."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.records.session import FeedbackKindName
from apa.surrogates import GpSurrogate, load
from apa.surrogates.gp import rbf
from tests.apa.surrogates.toys import ToyPrior, draw
from tests.trainer_worker.fit.answers import KINDS, honest, rank_correlation
from trainer_worker.fit import WarmStart, fit, warm
from trainer_worker.fit.cohort import Cohort, learn_cohort
from trainer_worker.fit.functions import Functions
from trainer_worker.fit.warm import fit_warm, share_of
from trainer_worker.observations import Observations

PRIOR = ToyPrior()
FUNCTIONS = Functions.of_prior(PRIOR)
SIZE = len(FUNCTIONS)


def _taste(x: Tensor, place: float = 1.2) -> Tensor:
    liked = torch.tensor([[place, 0.0, 0.0]], dtype=torch.float64)
    return torch.exp(-torch.cdist(x.double(), liked).square())[:, 0]


def _taught(kind: FeedbackKindName, members: int = 12) -> Cohort:
    shares = []
    for seed in range(members):
        x = draw(PRIOR, 40, seed=100 + seed)
        shares.append(share_of(FUNCTIONS, honest(kind, x, _taste(x), seed), x.double()))
    return learn_cohort(shares, SIZE)


def _one_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strength 1, noise 0.15, and belief all or none."""
    monkeypatch.setattr(warm, "STRENGTHS", (1.0,))
    monkeypatch.setattr(warm, "NOISES", (0.15,))
    monkeypatch.setattr(warm, "BELIEFS", (0.0, 1.0))


def test_the_functions_are_the_same_each_time_and_explain_most_of_the_kernel() -> None:
    again, z = Functions.of_prior(PRIOR), draw(PRIOR, 50, seed=3).double()
    explained = FUNCTIONS.at(z).square().sum(dim=1)

    # To rounding: shares of workers with other numbers of threads have to mean the same.
    torch.testing.assert_close(again.to_centres, FUNCTIONS.to_centres, rtol=1e-6, atol=1e-6)
    assert float(explained.max()) <= 1.0 + 1e-6
    assert float(explained.median()) > 0.9


def test_before_any_answer_it_is_the_cohorts_gaussian() -> None:
    cohort, z = _taught("scalar"), draw(PRIOR, 20, seed=4).double()
    surrogate = load(WarmStart(FUNCTIONS, cohort).before_answers("scalar").to_bytes())
    assert isinstance(surrogate, GpSurrogate)
    joint, phi = surrogate.joint(PRIOR, z.float()), FUNCTIONS.at(z)
    narrower = torch.eye(SIZE, dtype=torch.float64) - cohort.covariance

    assert torch.allclose(joint.mean, phi @ cohort.mean, atol=1e-2)
    expected = rbf(z, z, FUNCTIONS.bandwidth) + 1.0 - phi @ narrower @ phi.T
    assert torch.allclose(joint.covariance, expected, atol=1e-2)


def test_rewards_condition_the_process_as_the_textbook_says(monkeypatch: pytest.MonkeyPatch) -> None:
    _one_of_each(monkeypatch)
    cohort, x = _taught("scalar"), draw(PRIOR, 12, seed=5)
    z, new = x.double(), draw(PRIOR, 30, seed=6).double()
    y = _taste(x)
    found = fit_warm(FUNCTIONS, cohort, Observations.scalar(x, y), z)
    assert found is not None

    def covariance(a: Tensor, b: Tensor) -> Tensor:
        narrower = torch.eye(SIZE, dtype=torch.float64) - cohort.covariance
        return rbf(a, b, FUNCTIONS.bandwidth) + 1.0 - FUNCTIONS.at(a) @ narrower @ FUNCTIONS.at(b).T

    standard = (y - y.mean()) / y.std(correction=0)
    gain = covariance(new, z) @ torch.linalg.inv(covariance(z, z) + 0.15 * torch.eye(12))
    mean = FUNCTIONS.at(new) @ cohort.mean + gain @ (standard - FUNCTIONS.at(z) @ cohort.mean)
    joint = found.joint(PRIOR, new.float())
    assert torch.allclose(joint.mean, mean, atol=1e-2)
    assert torch.allclose(joint.covariance, covariance(new, new) - gain @ covariance(z, new), atol=1e-2)


def test_a_share_is_the_likelihood_of_the_head_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    _one_of_each(monkeypatch)
    x = draw(PRIOR, 12, seed=5)
    z, y = x.double(), _taste(x)
    share = share_of(FUNCTIONS, Observations.scalar(x, y), z)

    standard, phi = (y - y.mean()) / y.std(correction=0), FUNCTIONS.at(z)
    rest = rbf(z, z, FUNCTIONS.bandwidth) - phi @ phi.T + 1.0 + 0.15 * torch.eye(12)
    assert torch.allclose(share.precision, phi.T @ torch.linalg.inv(rest) @ phi, atol=1e-4)
    assert torch.allclose(share.information, phi.T @ torch.linalg.inv(rest) @ standard, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_eight_answers_and_a_cohort_say_more_than_eight_answers(kind: FeedbackKindName) -> None:
    start, new = WarmStart(FUNCTIONS, _taught(kind)), draw(PRIOR, 300, seed=8)
    gains = []
    for seed in range(5):
        x = draw(PRIOR, 8, seed=20 + seed)
        answers = honest(kind, x, _taste(x), seed)
        both = (fit("gp", PRIOR, answers, 0, warm=start), fit("gp", PRIOR, answers, 0))
        warmed, plain = (rank_correlation(one.predict(PRIOR, new).mean, _taste(new)) for one in both)
        gains.append(warmed - plain)

    assert sum(gains) / len(gains) > 0.1


def test_a_user_unlike_the_cohort_is_fitted_without_it() -> None:
    start, x = WarmStart(FUNCTIONS, _taught("scalar")), draw(PRIOR, 60, seed=9)
    answers = Observations.scalar(x, -_taste(x))

    assert start.fit(PRIOR, answers, 0) is None
    plain, warmed = fit("gp", PRIOR, answers, 0), fit("gp", PRIOR, answers, 0, warm=start)
    assert warmed.to_bytes() == plain.to_bytes()


def test_items_beyond_what_a_process_is_spanned_by_are_represented(monkeypatch: pytest.MonkeyPatch) -> None:
    x, new = draw(PRIOR, 60, seed=10), draw(PRIOR, 100, seed=11)
    cohort, answers = _taught("scalar"), Observations.scalar(x, _taste(x))
    whole = fit_warm(FUNCTIONS, cohort, answers, x.double())
    fewer = fit_warm(FUNCTIONS, cohort, answers, x.double(), max_centres=40)
    assert whole is not None
    assert fewer is not None

    assert len(fewer.items) < len(whole.items)
    assert rank_correlation(fewer.predict(PRIOR, new).mean, whole.predict(PRIOR, new).mean) > 0.95


def test_only_a_process_begins_from_a_cohort() -> None:
    x, nobody = draw(PRIOR, 8), WarmStart(FUNCTIONS, learn_cohort([], SIZE))
    with pytest.raises(InvalidArgument, match="only a gp begins from a cohort"):
        fit("mlp", PRIOR, Observations.scalar(x, _taste(x)), 0, warm=nobody)
