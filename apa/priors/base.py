"""The signature that every prior is adapted to: one call gives the denoised estimate and the features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor

from apa.errors import FailedPrecondition
from apa.priors.catalogue import Catalogue
from apa.priors.posterior_variance import PosteriorVariance
from apa.priors.schedule import VPSchedule
from apa.records.prior_card import PriorCard


class Denoised(NamedTuple):
    """What the denoiser says of a batch.

    Attributes:
        x_0_hat: (N, *data_shape), the posterior mean of the data given x_t.
        features: (N, F), the denoiser's middle activations; F = 0 columns when the prior has none.
    """

    x_0_hat: Tensor
    features: Tensor


class Prior(ABC):
    """A base diffusion model q_t with its data space.

    Attributes:
        card: what is known about it.
        schedule: the noise path.
        content_hash: hex digest of its parameters; artifacts fitted on its features name it.
        catalogue: the items that particles are shown as; None unless the card's decoder is `catalogue`.
    """

    card: PriorCard
    schedule: VPSchedule
    content_hash: str
    catalogue: Catalogue | None = None

    @property
    def posterior_variance(self) -> PosteriorVariance | None:
        """How uncertain x_0 still is at each noise level; None where nobody has measured it."""
        return None

    @property
    def data_shape(self) -> tuple[int, ...]:
        return self.card.data_shape

    @property
    def feature_dim(self) -> int:
        return self.card.feature_dim

    @abstractmethod
    def denoise(self, x_t: Tensor, t: Tensor) -> Denoised:
        """The denoised estimate and the features, differentiable in x_t and in t.

        Args:
            x_t: (N, *data_shape).
            t: (N,), each particle's own time in (0, 1].
        """

    def features(self, x_t: Tensor, t: Tensor) -> Tensor:
        """(N, F), only the features; models override it to skip the decoder half."""
        return self.denoise(x_t, t).features

    def conditioned(self, label: int | str, guidance_scale: float = 1.0) -> Prior:
        """The prior of one class, for a prior that was trained with labels.

        Args:
            label: the class, by number or by its name on the card.
            guidance_scale: 0 is this prior, 1 the class, more than 1 the class exaggerated.

        Raises:
            FailedPrecondition: it was trained without labels.
            InvalidArgument: no such class or scale.
        """
        del guidance_scale
        raise FailedPrecondition(
            "the prior was trained without labels",
            field="label",
            expected="a prior fitted with --labels",
            found=f"{label} for {self.card.name}",
        )

    def to_images(self, x: Tensor) -> Tensor:
        """(M, C, H, W) in [-1, 1]: what particles (M, *data_shape) look like, for the decoder `png`.

        An image prior's particles are the images; a latent prior decodes them, so pass only what is shown.
        """
        return x

    def score(self, x_t: Tensor, t: Tensor) -> Tensor:
        """(N, *data_shape), grad log q_t(x_t) = (a x_0_hat - x_t) / s^2 (Tweedie)."""
        return self.score_of(x_t, t, self.denoise(x_t, t).x_0_hat)

    def score_of(self, x_t: Tensor, t: Tensor, x_0_hat: Tensor) -> Tensor:
        """The score from an x_0_hat already computed."""
        shape = (-1,) + (1,) * (x_t.dim() - 1)
        a = self.schedule.scale(t).reshape(shape)
        s = self.schedule.std(t).reshape(shape)
        return (a * x_0_hat - x_t) / (s * s)
