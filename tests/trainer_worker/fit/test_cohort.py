"""A cohort's Gaussian is what its members' answers say, and no more than these allow."""

from __future__ import annotations

import pytest
import torch

from apa.errors import DataLoss
from trainer_worker.fit.cohort import Share, learn_cohort

SIZE = 6
EYE = torch.eye(SIZE, dtype=torch.float64)
MEAN = torch.tensor([1.5, -1.0, 0.5, 0.0, 0.0, 0.0], dtype=torch.float64)


def _members(count: int, std: float = 0.2, precision: float = 50.0) -> list[Share]:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(count, SIZE, generator=generator, dtype=torch.float64)
    return [Share(precision * EYE, precision * (MEAN + std * one)) for one in noise]


def test_without_members_it_is_the_process_itself() -> None:
    nobody = learn_cohort([], SIZE)

    assert not nobody.mean.any()
    assert torch.equal(nobody.covariance, EYE)


def test_many_members_teach_their_mean_and_spread() -> None:
    taught = learn_cohort(_members(400), SIZE)

    assert torch.allclose(taught.mean, MEAN, atol=0.05)
    assert 0.03 < float(taught.covariance.diagonal().mean()) < 0.1


def test_of_one_member_little_is_believed() -> None:
    one, many = learn_cohort(_members(1), SIZE), learn_cohort(_members(100), SIZE)

    assert 0.0 < float(one.mean.norm()) < 0.5 * float(many.mean.norm())
    assert float(one.covariance.trace()) > 2.0 * float(many.covariance.trace())


def test_members_who_said_nothing_change_nothing() -> None:
    silent = Share(0.0 * EYE, torch.zeros(SIZE, dtype=torch.float64))
    taught = learn_cohort([silent] * 5, SIZE)

    assert not taught.mean.any()
    assert torch.allclose(taught.covariance, EYE)


def test_no_direction_is_wider_than_the_process() -> None:
    wide = learn_cohort(_members(50, std=5.0), SIZE)

    assert float(torch.linalg.eigvalsh(wide.covariance)[-1]) <= 1.0 + 1e-9


def test_a_share_is_read_back_as_it_was_written() -> None:
    root = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    share = Share(root @ root.T, MEAN)
    back = Share.of_bytes(share.to_bytes(), SIZE)

    assert torch.allclose(back.precision, share.precision, rtol=1e-6)
    assert torch.allclose(back.information, share.information, rtol=1e-6)


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        Share(EYE, MEAN).to_bytes()[:-4],
        Share(-EYE, MEAN).to_bytes(),
        Share(EYE * float("nan"), MEAN).to_bytes(),
    ],
    ids=["empty", "short", "negative", "not finite"],
)
def test_a_damaged_share_is_named(blob: bytes) -> None:
    with pytest.raises(DataLoss, match="share of a cohort is damaged"):
        Share.of_bytes(blob, SIZE)
