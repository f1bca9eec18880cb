import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from apa.errors import DataLoss, FailedPrecondition, InvalidArgument, NotFound
from apa.priors import GaussianMixturePrior, NetworkPrior, load_prior, save_prior
from apa.priors.folder import ConditionedConfig, save_adapted
from tests.apa.priors.networks import small_mlp_prior, small_unet_prior


def _labelled_mlp() -> NetworkPrior:
    return small_mlp_prior(num_classes=3)


def _labelled_unet() -> NetworkPrior:
    return small_unet_prior(num_classes=3)


LABELLED = pytest.mark.parametrize("make", [_labelled_mlp, _labelled_unet])


def _noised(prior: NetworkPrior) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, *prior.data_shape, generator=generator), torch.tensor([0.1, 0.5, 1.0])


@LABELLED
def test_scale_0_is_the_unconditional_and_scale_1_the_conditional(make: Callable[[], NetworkPrior]) -> None:
    prior = make()
    x_t, t = _noised(prior)
    unlabelled, labelled = prior.denoise(x_t, t), prior.denoise(x_t, t, torch.full((3,), 2))
    assert not torch.allclose(unlabelled.x_0_hat, labelled.x_0_hat, atol=1e-4)
    assert torch.equal(prior.conditioned(2, 0.0).denoise(x_t, t).x_0_hat, unlabelled.x_0_hat)
    assert torch.equal(prior.conditioned(2, 1.0).denoise(x_t, t).x_0_hat, labelled.x_0_hat)


@LABELLED
def test_guidance_is_linear_in_its_scale(make: Callable[[], NetworkPrior]) -> None:
    prior = make()
    x_t, t = _noised(prior)
    at_0, at_1, at_3 = (prior.conditioned(2, scale).denoise(x_t, t).x_0_hat for scale in (0.0, 1.0, 3.0))
    torch.testing.assert_close(at_3, at_0 + 3.0 * (at_1 - at_0))


@LABELLED
def test_the_features_are_those_of_the_labelled_pass(make: Callable[[], NetworkPrior]) -> None:
    prior = make()
    x_t, t = _noised(prior)
    expected = prior.denoise(x_t, t, torch.full((3,), 2)).features
    for scale in (0.0, 1.0, 3.0):
        conditioned = prior.conditioned("class-2", scale)
        assert torch.equal(conditioned.denoise(x_t, t).features, expected)
        assert torch.equal(conditioned.features(x_t, t), expected)


def test_each_condition_has_a_content_hash_of_its_own() -> None:
    prior = _labelled_mlp()
    hashes = {prior.conditioned(label, scale).content_hash for label in (0, 1) for scale in (0.5, 1.0)}
    assert len(hashes | {prior.content_hash}) == 5
    assert prior.conditioned("class-1", 0.5).content_hash in hashes


@pytest.mark.parametrize("label", [-1, 3, "class-3", "3"])
def test_an_unknown_class_is_refused_and_the_classes_named(label: int | str) -> None:
    with pytest.raises(InvalidArgument, match="0 to 2, or one of class-0, class-1, class-2"):
        _labelled_mlp().conditioned(label)


@pytest.mark.parametrize("scale", [-0.1, float("nan"), float("inf")])
def test_a_wrong_scale_is_refused(scale: float) -> None:
    with pytest.raises(InvalidArgument, match="guidance_scale"):
        _labelled_mlp().conditioned(0, scale)


def test_a_prior_without_labels_cannot_be_conditioned() -> None:
    mixture = GaussianMixturePrior(torch.zeros(1, 2), 1.0, torch.ones(1))
    for prior in (small_mlp_prior(), mixture):
        with pytest.raises(FailedPrecondition, match="without labels"):
            prior.conditioned(0)


def test_a_labelled_prior_loads_bit_for_bit(tmp_path: Path) -> None:
    prior = _labelled_mlp()
    save_prior(prior, tmp_path)
    x_t, t = _noised(prior)
    found = load_prior(tmp_path).conditioned(1, 2.0).denoise(x_t, t)
    assert torch.equal(found.x_0_hat, prior.conditioned(1, 2.0).denoise(x_t, t).x_0_hat)


def _saved_condition(tmp_path: Path) -> Path:
    prior = _labelled_mlp()
    save_prior(prior, tmp_path / "all")
    card = prior.card.model_copy(update={"name": "one", "class_names": ()})
    config = ConditionedConfig(path="../all", label="class-1", guidance_scale=2.0)
    save_adapted(tmp_path / "one", config, card)
    return tmp_path / "one"


def test_a_folder_names_one_class_of_another_prior(tmp_path: Path) -> None:
    loaded, base = load_prior(_saved_condition(tmp_path)), load_prior(tmp_path / "all")
    x_t, t = torch.randn(3, 5), torch.tensor([0.1, 0.5, 1.0])
    expected = base.conditioned(1, 2.0)
    assert torch.equal(loaded.denoise(x_t, t).x_0_hat, expected.denoise(x_t, t).x_0_hat)
    assert loaded.content_hash == expected.content_hash
    assert loaded.card.name == "one"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"label": "class-9"}, InvalidArgument, "label"),
        ({"path": "../gone"}, NotFound, "gone"),
        ({"path": "."}, DataLoss, "config.json"),
        ({"guidance_scale": -1.0}, DataLoss, "guidance_scale"),
        ({"kind": "unheard-of"}, DataLoss, "config.json"),
    ],
)
def test_a_folder_that_names_nothing_says_so(
    change: dict[str, object], error: type[Exception], message: str, tmp_path: Path
) -> None:
    folder = _saved_condition(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(error, match=message):
        load_prior(folder)
