from __future__ import annotations

import pytest
import torch

from trainer_worker.fit.standardise import feature_scale, standardise_rewards


def _rewards(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_rewards_get_zero_mean_and_unit_variance() -> None:
    y, mean, scale = standardise_rewards(_rewards(1.0, 2.0, 6.0))
    assert float(y.mean()) == pytest.approx(0.0, abs=1e-12)
    assert float(y.std(correction=0)) == pytest.approx(1.0)
    torch.testing.assert_close(mean + scale * y, _rewards(1.0, 2.0, 6.0))


@pytest.mark.parametrize("values", [(0.7,), (0.3, 0.3, 0.3), (0.0, 0.0), (1e9, 1e9 + 1e-3), (-5.0,)])
def test_rewards_without_a_spread_keep_the_users_scale(values: tuple[float, ...]) -> None:
    y, mean, scale = standardise_rewards(_rewards(*values))
    assert y.tolist() == [0.0] * len(values)
    assert scale == 1.0
    assert mean == pytest.approx(values[0])


def test_where_the_rewards_lie_does_not_matter_only_how_they_differ() -> None:
    near = standardise_rewards(_rewards(0.01, 0.02, 0.04))
    far = standardise_rewards(_rewards(1e6 + 0.01, 1e6 + 0.02, 1e6 + 0.04))
    torch.testing.assert_close(far.y, near.y, rtol=1e-6, atol=1e-6)
    assert (far.mean - 1e6, far.scale) == pytest.approx((near.mean, near.scale))


@pytest.mark.parametrize("size", [1e-200, 1e-12, 1e12, 1e300])
def test_the_size_of_the_rewards_does_not_matter(size: float) -> None:
    y, _, scale = standardise_rewards(_rewards(1.0 * size, 2.0 * size, 4.0 * size))
    torch.testing.assert_close(y, standardise_rewards(_rewards(1.0, 2.0, 4.0)).y)
    assert scale > 0


def test_a_feature_that_never_varies_gets_the_shared_scale_not_zero() -> None:
    features = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    features[:, 2] = 3.0
    scale = feature_scale(features).scale
    assert float(scale[2]) > 0.3 * float(scale.mean())


@pytest.mark.parametrize("features", [torch.zeros(1, 3), torch.ones(1, 3), torch.zeros(5, 3)])
def test_one_item_or_dead_features_still_have_a_positive_scale(features: torch.Tensor) -> None:
    assert bool((feature_scale(features.double()).scale > 0).all())


def test_with_many_observations_a_features_scale_is_its_own() -> None:
    features = torch.randn(5000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    features[:, 1] *= 10
    scale = feature_scale(features).scale
    assert float(scale[1] / scale[0]) == pytest.approx(10.0, rel=0.05)
