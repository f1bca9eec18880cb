import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from apa.errors import ApaError, DataLoss, InvalidArgument, NotFound
from apa.priors import GaussianMixturePrior, Prior, load_prior, save_prior
from apa.priors.base import Denoised
from tests.apa.priors.networks import small_mlp_prior, small_unet_prior


def _mixture() -> GaussianMixturePrior:
    return GaussianMixturePrior(torch.randn(3, 2), 0.5, torch.tensor([0.2, 0.3, 0.5]))


@pytest.mark.parametrize("make", [small_unet_prior, small_mlp_prior, _mixture])
def test_a_saved_prior_loads_bit_for_bit(make: Callable[[], Prior], tmp_path: Path) -> None:
    prior = make()
    save_prior(prior, tmp_path / "prior")
    loaded = load_prior(tmp_path / "prior")
    x_t, t = torch.randn(3, *prior.data_shape), torch.tensor([0.1, 0.5, 1.0])
    expected, found = prior.denoise(x_t, t), loaded.denoise(x_t, t)
    assert torch.equal(found.x_0_hat, expected.x_0_hat)
    assert torch.equal(found.features, expected.features)
    assert loaded.card == prior.card
    assert loaded.schedule == prior.schedule
    assert len(loaded.content_hash) == 16


def test_other_features_of_the_same_weights_are_another_content(tmp_path: Path) -> None:
    for features in ("bottleneck", "stream"):
        save_prior(small_mlp_prior(features=features), tmp_path / features)
    bottleneck, stream = load_prior(tmp_path / "bottleneck"), load_prior(tmp_path / "stream")
    assert bottleneck.content_hash != stream.content_hash
    assert (bottleneck.feature_dim, stream.feature_dim) == (8, 16)


def test_saving_again_keeps_other_files_and_the_content_hash(tmp_path: Path) -> None:
    prior = small_mlp_prior()
    save_prior(prior, tmp_path)
    first = load_prior(tmp_path).content_hash
    (tmp_path / "README.md").write_text("kept")
    save_prior(load_prior(tmp_path), tmp_path)
    assert load_prior(tmp_path).content_hash == first
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "card.json",
        "config.json",
        "weights.safetensors",
    ]


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))


def _replace_by_text(path: Path) -> None:
    path.write_text("not what it was")


def _remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("file", "damage", "error"),
    [
        ("weights.safetensors", _truncate, DataLoss),
        ("weights.safetensors", _flip_a_bit, DataLoss),
        ("weights.safetensors", _replace_by_text, DataLoss),
        ("weights.safetensors", _remove, NotFound),
        ("config.json", _replace_by_text, DataLoss),
        ("config.json", _truncate, DataLoss),
        ("config.json", _remove, NotFound),
        ("card.json", _replace_by_text, DataLoss),
        ("card.json", _remove, NotFound),
    ],
)
def test_damage_is_found_and_the_file_is_named(
    file: str, damage: Callable[[Path], None], error: type[ApaError], tmp_path: Path
) -> None:
    save_prior(small_unet_prior(), tmp_path)
    # A JSON file's last byte is its newline, which nobody misses.
    if file.endswith(".json") and damage is _truncate:
        damage(tmp_path / file)
    damage(tmp_path / file)
    with pytest.raises(error) as caught:
        load_prior(tmp_path)
    assert file in str(caught.value)
    assert caught.value.expected
    assert caught.value.found


def test_a_config_of_another_shape_is_found_by_the_weights(tmp_path: Path) -> None:
    save_prior(small_unet_prior(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model"]["network"]["width"] = 32
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataLoss, match="of shape"):
        load_prior(tmp_path)


def test_a_card_of_another_prior_is_found(tmp_path: Path) -> None:
    save_prior(small_unet_prior(), tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | {"feature_dim": 3}))
    with pytest.raises(DataLoss, match="feature_dim"):
        load_prior(tmp_path)


def test_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    save_prior(small_mlp_prior(), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"schema_version": 2}))
    with pytest.raises(DataLoss, match="schema_version"):
        load_prior(tmp_path)


def test_a_prior_of_ones_own_kind_has_no_folder_format(tmp_path: Path) -> None:
    class Own(Prior):
        def denoise(self, x_t: torch.Tensor, t: torch.Tensor) -> Denoised:
            raise NotImplementedError

    with pytest.raises(InvalidArgument, match="no folder format"):
        save_prior(Own(), tmp_path)
