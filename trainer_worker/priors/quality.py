"""How good an image prior is: its samples, judged by a classifier that it never saw."""

from __future__ import annotations

import torch
from torch import Tensor

from apa.priors.base import Prior
from simulation.fashion_classifier import CLASS_NAMES, FashionClassifier
from trainer_worker.priors.ancestral import ancestral_sample


def draw_samples(prior: Prior, num: int, steps: int, seed: int, batch: int = 100) -> Tensor:
    """(num, *data_shape), in batches of bounded memory."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [min(batch, num - start) for start in range(0, num, batch)]
    return torch.cat([ancestral_sample(prior, size, steps, generator) for size in sizes])


def frechet_distance(features: Tensor, reference: Tensor) -> float:
    """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)) of two feature sets (N, F) and (M, F)."""
    features, reference = features.double(), reference.double()
    covariance, reference_covariance = features.T.cov(), reference.T.cov()
    # tr (C C')^(1/2) is the sum of the singular values of C^(1/2) C'^(1/2), which stays symmetric and real.
    root = torch.linalg.svdvals(_square_root(covariance) @ _square_root(reference_covariance)).sum()
    distance = (features.mean(0) - reference.mean(0)).square().sum()
    return float(distance + covariance.trace() + reference_covariance.trace() - 2.0 * root)


@torch.no_grad()
def measure(
    samples: Tensor, real: Tensor, baseline: Tensor, classifier: FashionClassifier
) -> dict[str, float]:
    """The figures of the card.

    Args:
        samples: (N, 1, 28, 28), drawn from the prior.
        real: (M, 1, 28, 28), held-out pictures.
        baseline: (N, 1, 28, 28), other real pictures, as many as samples: what a perfect prior would score.
    """
    probabilities = classifier(samples).softmax(dim=1)
    real_features = classifier.features(real)
    shares = probabilities.argmax(dim=1).bincount(minlength=len(CLASS_NAMES)) / len(samples)
    per_class = {
        f"share_{name.replace(' ', '_')}": s for name, s in zip(CLASS_NAMES, shares.tolist(), strict=True)
    }
    figures = {
        "num_samples": float(len(samples)),
        "frechet_distance": frechet_distance(classifier.features(samples), real_features),
        "frechet_distance_real": frechet_distance(classifier.features(baseline), real_features),
        "mean_max_probability": probabilities.amax(dim=1).mean().item(),
        "mean_max_probability_real": classifier(real).softmax(dim=1).amax(dim=1).mean().item(),
        "smallest_class_share": shares.min().item(),
        **per_class,
    }
    return {name: round(value, 4) for name, value in figures.items()}


def _square_root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = vectors * values.clamp(min=0.0).sqrt() @ vectors.T
    return root
