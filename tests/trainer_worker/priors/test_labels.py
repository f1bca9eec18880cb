from pathlib import Path

import numpy as np
import pytest
import torch

from apa.errors import InvalidArgument
from apa.priors.catalogue import Item
from apa.priors.folder import load_prior
from trainer_worker.priors.ancestral import ancestral_sample
from trainer_worker.priors.data import TrainingData
from trainer_worker.priors.export import Provenance, export_checkpoint
from trainer_worker.priors.labels import with_labels
from trainer_worker.priors.objective import hide_labels
from trainer_worker.priors.options import FitOptions
from trainer_worker.priors.run import run_fit

CENTRES = torch.tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 3.0]])


def _data(num: int = 12) -> TrainingData:
    return TrainingData(torch.randn(num, 2, generator=torch.Generator().manual_seed(0)), 0.0, 1.0)


def _items(genres: list[str]) -> list[Item]:
    return [Item(str(i), f"Item {i}", {"genre": genre}) for i, genre in enumerate(genres)]


def _saved(tmp_path: Path, numbers: object) -> str:
    np.save(tmp_path / "labels.npy", np.asarray(numbers))
    return str(tmp_path / "labels.npy")


def test_numbers_are_labels_as_they_stand(tmp_path: Path) -> None:
    labelled = with_labels(_data(), _saved(tmp_path, [2, 1, 0] * 4), None)
    assert labelled.labels is not None
    assert labelled.labels.tolist() == [2, 1, 0] * 4
    assert labelled.class_names == ("0", "1", "2")


def test_the_values_of_a_column_are_the_classes_and_an_empty_cell_is_none(tmp_path: Path) -> None:
    labelled = with_labels(_data(), "genre", _items(["war", "", "art", "war"] * 3))
    assert labelled.labels is not None
    assert labelled.labels.tolist() == [1, 2, 0, 1] * 3
    assert labelled.class_names == ("art", "war")


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([0, 1], r"shape \(12,\)"),
        ([0, 2] * 6, "without a gap"),
        ([-1, 0] * 6, "without a gap"),
        ([0] * 12, "2 to 6 classes"),
        (list(range(12)), "2 to 6 classes"),
        ([0.0, 1.0] * 6, "integers"),
    ],
)
def test_numbers_that_are_no_labels_are_refused(numbers: list[float], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=message):
        with_labels(_data(), _saved(tmp_path, numbers), None)


def test_an_unknown_column_is_refused_and_the_columns_named() -> None:
    with pytest.raises(InvalidArgument, match="genre"):
        with_labels(_data(), "gerne", _items(["war", "art"] * 6))
    with pytest.raises(InvalidArgument, match="--items"):
        with_labels(_data(), "genre", None)


def test_hidden_labels_are_the_asked_share() -> None:
    hidden = hide_labels(torch.zeros(10_000, dtype=torch.long), 3, 0.1, torch.Generator().manual_seed(0))
    assert set(hidden.tolist()) == {0, 3}
    assert (hidden == 3).float().mean().item() == pytest.approx(0.1, abs=0.01)


@pytest.mark.slow
def test_a_fitted_mixture_is_sampled_by_class(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(3).repeat(500)
    points = CENTRES[classes] + 0.4 * torch.randn(1500, 2, generator=generator)
    data = TrainingData(
        points, points.mean().item(), points.std().item(), classes, class_names=("left", "right", "up")
    )
    options = FitOptions(steps=400, batch=128, width=64, blocks=1, lr=1e-2, ema=0.98, precision="float32")
    provenance = Provenance("mixture", "", "", "", "")
    run_fit(data, options, provenance, tmp_path / "checkpoint", checkpoint_every=1000, resume=False)
    export_checkpoint(tmp_path / "checkpoint", tmp_path / "mixture")
    prior = load_prior(tmp_path / "mixture")
    assert prior.card.class_names == ("left", "right", "up")

    def shares(sampled: torch.Tensor) -> torch.Tensor:
        nearest = torch.cdist(sampled, CENTRES).argmin(dim=1)
        return nearest.bincount(minlength=3) / len(sampled)

    whole = ancestral_sample(prior, 400, 30, torch.Generator().manual_seed(1))
    torch.testing.assert_close(shares(whole), torch.full((3,), 1 / 3), rtol=0, atol=0.1)
    for label, name in enumerate(prior.card.class_names):
        conditioned = prior.conditioned(name)
        x = ancestral_sample(conditioned, 400, 30, torch.Generator().manual_seed(1))
        assert shares(x)[label] > 0.95
        torch.testing.assert_close(x.mean(dim=0), CENTRES[label], rtol=0, atol=0.2)
        torch.testing.assert_close(x.std(dim=0), torch.full((2,), 0.4), rtol=0, atol=0.15)
        nothing = ancestral_sample(prior.conditioned(name, 0.0), 400, 30, torch.Generator().manual_seed(1))
        assert torch.equal(nothing, whole)
        guided = ancestral_sample(prior.conditioned(name, 3.0), 400, 30, torch.Generator().manual_seed(1))
        assert shares(guided)[label] > 0.99
