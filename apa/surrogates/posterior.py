"""The Gaussian posterior of a linear head at the data end, in a form that needs no F x F matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Posterior:
    """Covariance of the weights of a ridge regression on standardised features.

    With design vectors z = [(phi - feature_mean) / feature_scale, intercept_scale] the prior of the weights
    is N(0, weight_std^2 I) and the posterior covariance weight_std^2 (I - factor^T factor): the K rows say
    what M observations have taught, K <= min(M, F + 1), and everything else is as uncertain as before.

    Attributes:
        feature_mean, feature_scale: (F,).
        factor: (K, F + 1).
    """

    feature_mean: Tensor
    feature_scale: Tensor
    factor: Tensor
    intercept_scale: float
    weight_std: float

    def to(self, device: torch.device | str) -> Posterior:
        return replace(
            self,
            feature_mean=self.feature_mean.to(device),
            feature_scale=self.feature_scale.to(device),
            factor=self.factor.to(device),
        )

    def design(self, features: Tensor) -> Tensor:
        """(M, F + 1), the standardised features with the intercept's column."""
        z = (features - self.feature_mean.to(features)) / self.feature_scale.to(features)
        return torch.cat([z, torch.full_like(z[:, :1], self.intercept_scale)], dim=1)

    def variance(self, features: Tensor) -> Tensor:
        """(M,), of the expected standardised reward at these features (M, F)."""
        z = self.design(features)
        learnt = z @ self.factor.to(z).T
        left = (z * z).sum(dim=1) - (learnt * learnt).sum(dim=1)
        # The difference of two near-equal sums can round below zero where much has been learnt.
        return self.weight_std**2 * left.clamp(min=0.0)

    def covariance(self, features: Tensor) -> Tensor:
        """(M, M), the joint covariance of the expected standardised rewards; for choosing a diverse batch."""
        z = self.design(features)
        learnt = z @ self.factor.to(z).T
        return self.weight_std**2 * (z @ z.T - learnt @ learnt.T)
