from pathlib import Path

import pytest
import torch

from apa.errors import DataLoss
from simulation.fashion_classifier import WEIGHTS_PATH, class_probabilities, load_classifier


def test_the_shipped_classifier_gives_probabilities_of_ten_classes() -> None:
    x = torch.rand(3, 1, 28, 28) * 2 - 1
    probabilities = class_probabilities(load_classifier(), x)
    assert probabilities.shape == (3, 10)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(3))


def test_a_pictures_class_does_not_depend_on_who_shares_the_batch() -> None:
    classifier = load_classifier()
    x = torch.rand(5, 1, 28, 28) * 2 - 1
    torch.testing.assert_close(classifier(x)[2:3], classifier(x[2:3]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"not safetensors"])
def test_damaged_weights_are_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(content)
    with pytest.raises(DataLoss, match=r"weights\.safetensors"):
        load_classifier(tmp_path / "weights.safetensors")


def test_absent_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataLoss, match=r"absent\.safetensors"):
        load_classifier(tmp_path / "absent.safetensors")


def test_the_shipped_weights_are_small() -> None:
    assert WEIGHTS_PATH.stat().st_size < 1_000_000
