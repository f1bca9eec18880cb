"""What a simulated user says of each kind, and how often the opposite."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from alignment.respondent import Respondent
from apa.errors import InvalidArgument
from apa.records.session import FeedbackKindName


def _taste(x: Tensor) -> Tensor:
    return x[:, 0]


X = torch.tensor([[0.2], [0.9], [0.6], [0.1]])


def test_without_flips_each_kind_says_the_truth() -> None:
    said = {kind: Respondent(_taste, kind)(X, 4) for kind in ("scalar", "binary", "pairwise", "ranking")}

    assert said["scalar"].values.tolist() == pytest.approx([0.2, 0.9, 0.6, 0.1])
    assert said["binary"].values.tolist() == [0.0, 1.0, 1.0, 0.0]
    assert said["pairwise"].rows == ((1, 0), (2, 3))
    assert said["ranking"].rows == ((1, 2, 0, 3),)
    assert all(answers.kind == kind for kind, answers in said.items())


@pytest.mark.parametrize(("kind", "rows"), [("scalar", 2), ("binary", 2), ("pairwise", 2), ("ranking", 1)])
def test_no_more_is_answered_than_is_asked(kind: FeedbackKindName, rows: int) -> None:
    answers = Respondent(_taste, kind)(X, 2)

    assert len(answers) == rows
    assert sum(max(1, len(named) - 1) for named in answers.rows) == 2


@pytest.mark.parametrize("kind", ["scalar", "binary", "pairwise"])
def test_as_many_answers_say_the_opposite_as_it_is_told(kind: FeedbackKindName) -> None:
    x = torch.tensor([0.9, 0.2]).repeat(2000)[:, None]

    answers = Respondent(_taste, kind, flip=0.2, seed=1)(x, len(x))

    if kind == "pairwise":
        opposite = sum(rows[0] % 2 for rows in answers.rows) / len(answers)
    else:
        opposite = float(((answers.values > 0.5) != (_taste(x) > 0.5)).double().mean())
    # 2,000 answers at least: standard error 0.009, four of them.
    assert opposite == pytest.approx(0.2, abs=0.036)


def test_a_flipped_ranking_swaps_neighbours_and_names_each_item_once() -> None:
    (rows,) = Respondent(_taste, "ranking", flip=1.0)(X, 3).rows

    assert sorted(rows) == [0, 1, 2, 3]
    assert rows != (1, 2, 0, 3)


def test_a_share_of_flips_is_between_none_and_all() -> None:
    with pytest.raises(InvalidArgument):
        Respondent(_taste, "scalar", flip=1.5)
