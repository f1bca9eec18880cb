"""Classifier-free guidance: a prior that was trained with and without labels, steered to one class."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from apa.errors import FailedPrecondition, InvalidArgument
from apa.priors.base import Denoised, Prior

if TYPE_CHECKING:
    from apa.priors.network import NetworkPrior


class ConditionedPrior(Prior):
    """One class of a labelled prior, by classifier-free guidance (Ho and Salimans 2022).

    x_0_hat = unlabelled + guidance_scale * (labelled - unlabelled): at 0 the prior as a whole, at 1 the
    class. Both are diffusions; any other scale is no diffusion's posterior mean, so there `twisted`, which
    takes the chain as it is, stays exact and `fkc` does not.

    The features are those of the labelled pass: the one that a class's items were trained in, and the only
    pass at scale 1. The content hash is the condition's own, so that no surrogate crosses over to another
    class or scale unnoticed.

    Args:
        base: shared, not copied.
        label: the class, by number or by its name on the base's card.

    Raises:
        FailedPrecondition: the base was trained without labels.
        InvalidArgument: no such class, or a scale that is negative or not finite.
    """

    def __init__(self, base: NetworkPrior, label: int | str, guidance_scale: float = 1.0) -> None:
        self.base = base
        self.label = _class_of(base, label)
        self.guidance_scale = _checked_scale(guidance_scale)
        self.schedule = base.schedule
        self.card = base.card
        self.catalogue = base.catalogue
        condition = f"{base.content_hash} {self.label} {self.guidance_scale!r}"
        self.content_hash = hashlib.sha256(condition.encode()).hexdigest()[:16]

    def denoise(self, x_t: Tensor, t: Tensor) -> Denoised:
        labelled = self.base.denoise(x_t, t, self._labels(x_t))
        if self.guidance_scale == 1.0:
            return labelled
        unlabelled = self.base.denoise(x_t, t).x_0_hat
        return Denoised(guided(unlabelled, labelled.x_0_hat, self.guidance_scale), labelled.features)

    def features(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.base.features(x_t, t, self._labels(x_t))

    def to_images(self, x: Tensor) -> Tensor:
        return self.base.to_images(x)

    def _labels(self, x_t: Tensor) -> Tensor:
        return torch.full((len(x_t),), self.label, device=x_t.device)


def guided(unconditional: Tensor, conditional: Tensor, guidance_scale: float) -> Tensor:
    """Classifier-free guidance: from the first (scale 0) to the second (scale 1) and beyond."""
    return unconditional + guidance_scale * (conditional - unconditional)


def _class_of(prior: NetworkPrior, label: int | str) -> int:
    num_classes, names = prior.network.num_classes, prior.card.class_names
    if num_classes == 0:
        raise FailedPrecondition(
            "the prior was trained without labels",
            field="label",
            expected="a prior fitted with --labels",
            found=prior.card.name,
        )
    if isinstance(label, str) and label in names:
        return names.index(label)
    if isinstance(label, int) and 0 <= label < num_classes:
        return label
    known = f"0 to {num_classes - 1}" + (f", or one of {', '.join(names)}" if names else "")
    raise InvalidArgument("the prior has no such class", field="label", expected=known, found=str(label))


def _checked_scale(guidance_scale: float) -> float:
    if not (math.isfinite(guidance_scale) and guidance_scale >= 0.0):
        raise InvalidArgument(
            "guidance has no such scale",
            field="guidance_scale",
            expected="a finite number, 0 or more",
            found=str(guidance_scale),
        )
    return float(guidance_scale)
