from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from apa.errors import DataLoss
from apa.priors.catalogue import Item
from apa.priors.catalogue_files import write_catalogue
from apa.priors.folder import load_prior, save_prior
from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.priors.schedule import VPSchedule
from apa.records.prior_card import PriorCard

VECTORS = np.array([[0.0, 1.0], [2.0, 3.0]], dtype=np.float32)


def save_with_card(folder: Path, **changes: object) -> None:
    card = PriorCard(
        name="shop", kind="gaussian_mixture", data_shape=(2,), decoder="catalogue", feature_dim=0, num_items=2
    )
    means, halves = torch.from_numpy(VECTORS), torch.full((2,), 0.5)
    save_prior(
        GaussianMixturePrior(
            means, 0.1, halves, schedule=VPSchedule(), card=card.model_copy(update=dict(changes))
        ),
        folder,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_with_card(tmp_path)
    write_catalogue(tmp_path, [Item("a", "A", {}), Item("b", "B", {})], VECTORS)
    return tmp_path


def test_a_catalogue_prior_is_loaded_with_its_items(folder: Path) -> None:
    catalogue = load_prior(folder).catalogue

    assert catalogue is not None
    assert [item.title for item in catalogue.items] == ["A", "B"]


def test_a_prior_of_another_decoder_has_no_catalogue(folder: Path) -> None:
    save_with_card(folder, decoder="none", num_items=0)

    assert load_prior(folder).catalogue is None


def test_a_missing_table_is_named(folder: Path) -> None:
    (folder / "items.csv").unlink()

    with pytest.raises(DataLoss) as raised:
        load_prior(folder)

    assert raised.value.field == "items.csv"


def test_a_card_of_another_catalogue_is_data_loss(folder: Path) -> None:
    save_with_card(folder, num_items=3)

    with pytest.raises(DataLoss) as raised:
        load_prior(folder)

    assert raised.value.field == "card.json"
    assert "2" in raised.value.expected
    assert "3" in raised.value.found
