import pytest
import torch

from apa.errors import InvalidArgument
from apa.priors.mlp import MLP, MLPConfig
from tests.apa.priors.networks import small_mlp_prior


def test_the_estimate_has_the_shape_of_the_data_and_the_features_theirs() -> None:
    denoised = small_mlp_prior(5).denoise(torch.randn(7, 5), torch.linspace(0.01, 1.0, 7))
    assert denoised.x_0_hat.shape == (7, 5)
    assert denoised.features.shape == (7, 8)


def test_features_alone_equal_those_of_the_whole_pass() -> None:
    prior = small_mlp_prior()
    x_t, t = torch.randn(4, 5), torch.rand(4).clamp(min=0.01)
    assert torch.equal(prior.features(x_t, t), prior.denoise(x_t, t).features)


def test_the_estimate_is_differentiable_in_x_and_in_t() -> None:
    prior = small_mlp_prior()
    prior.network.double()
    x_t = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0.2, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, time: prior.denoise(x, time).x_0_hat, (x_t, t))
    assert torch.autograd.gradcheck(prior.features, (x_t, t))


def test_the_stream_as_features_changes_no_estimate() -> None:
    x_t, t = torch.randn(4, 5), torch.rand(4).clamp(min=0.01)
    bottleneck, stream = small_mlp_prior(), small_mlp_prior(features="stream")
    stream.network.load_state_dict(bottleneck.network.state_dict())
    assert torch.equal(stream.denoise(x_t, t).x_0_hat, bottleneck.denoise(x_t, t).x_0_hat)
    assert torch.equal(stream.features(x_t, t), stream.denoise(x_t, t).features)


def test_the_stream_has_one_scale_however_odd_the_item() -> None:
    x_t = torch.randn(6, 5) * torch.tensor([0.1, 1.0, 10.0, 1e2, 1e3, 1e4])[:, None]
    features = small_mlp_prior(features="stream").features(x_t, torch.full((6,), 0.1))
    assert features.shape == (6, 16)
    torch.testing.assert_close(features.square().mean(dim=1), torch.ones(6), atol=0.02, rtol=0.0)


def test_only_other_features_than_the_bottleneck_are_named() -> None:
    config = MLPConfig(data_shape=(5,))
    assert "features" not in config.model_dump()
    assert config.model_copy(update={"features": "stream"}).model_dump()["features"] == "stream"


def test_vectors_without_a_dimension_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least one dimension"):
        MLP(MLPConfig(data_shape=(0,)))
