"""Fashion items of some classes with an attribute, judged by a classifier that no method sees."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from apa.priors.base import Prior
from apa.records.session import FeedbackKindName, SessionConfig
from benchmarks.alignment.tasks.task import HiddenTaste, Task, best_of, bisect
from simulation.fashion_classifier import CLASS_NAMES, class_probabilities, load_classifier
from trainer_worker.fit import Transport
from trainer_worker.shelf import PriorShelf

DRAWS_PATH = Path(__file__).parent.parent / "data" / "fashion_draws.npz"
ATTRIBUTES = ("brightness", "size", "height over width", "how low it sits")
FOREGROUND = -0.6
"""Smoothed pixels above this belong to the item; the background is -1."""
STEEPNESS = 0.6
"""Standard deviations over which an attribute turns from disliked to liked."""
BANDWIDTH = 0.15
"""Of the draws' attributes, in standard deviations, when a rate is read off them: beyond the last, too."""
K = 8
LEVELS = (-1.0, 1.0, 3.0)
"""Log-SNR at which an item is noised to see whether the prior takes it for its own."""


class Fashion(Task):
    """r(x) = sum over liked classes of p(class | x) times sigmoid((sign z_attribute - c) / STEEPNESS).

    The threshold c makes it as rare as wanted; where the classes alone are rarer it is far below every item.
    Attainable: the best 8 of the prior's draws that the rates are read off.
    """

    def __init__(self, name: str, num_classes: tuple[int, ...], config: SessionConfig) -> None:
        self.name = name
        self.config = config
        self._num_classes = num_classes

    @cached_property
    def _shelved(self) -> tuple[Prior, Transport | None]:
        prior, transport = PriorShelf().get("fashion")
        return prior, transport

    @property
    def prior(self) -> Prior:
        return self._shelved[0]

    @property
    def transport(self) -> Transport | None:
        return self._shelved[1]

    @cached_property
    def _draws(self) -> dict[str, Tensor]:
        with np.load(DRAWS_PATH) as kept:
            return {name: torch.from_numpy(kept[name].astype(np.float64)) for name in kept.files}

    @cached_property
    def _scales(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the attributes over the prior's draws, (A,) each."""
        attributes = self._draws["attributes"]
        return attributes.mean(dim=0), attributes.std(dim=0)

    def taste(self, number: int, rarity: float) -> HiddenTaste:
        generator = np.random.default_rng(number)
        num_modes = int(generator.choice(self._num_classes))
        liked = torch.from_numpy(generator.permutation(len(CLASS_NAMES))[:num_modes])
        attribute = int(generator.integers(len(ATTRIBUTES)))
        sign = float(generator.choice((-1.0, 1.0)))
        probabilities, z = self._draws["probabilities"], self._standardised(self._draws["attributes"])
        share, z = probabilities[:, liked].sum(dim=1), sign * z[:, attribute]

        def rate(threshold: float) -> float:
            """Above one half: the attribute may be short of the threshold by what the share leaves."""
            short = STEEPNESS * torch.logit((0.5 / share).clamp(1e-6, 1.0 - 1e-6))
            above = 0.5 * torch.erfc((threshold + short - z) / (BANDWIDTH * math.sqrt(2.0)))
            return float(torch.where(share > 0.5, above, 0.0).mean())

        threshold = bisect(rate, rarity, -8.0, 12.0)
        of_draws = share * torch.sigmoid((z - threshold) / STEEPNESS)
        judge = _Judge(self._scales)

        def reward(x: Tensor) -> Tensor:
            p, attributes = judge(x)
            return p[:, liked].sum(dim=1) * torch.sigmoid(
                (sign * attributes[:, attribute] - threshold) / STEEPNESS
            )

        return HiddenTaste(
            reward=reward,
            mode=lambda x: judge(x)[0][:, liked].argmax(dim=1),
            num_modes=num_modes,
            base_rate=rate(threshold),
            attainable=best_of(of_draws, K),
        )

    def valid(self, x: Tensor) -> Tensor:
        """No harder to denoise than 99% of the prior's own draws."""
        return (denoising_error(self.prior, x) <= self._draws["errors"].quantile(0.99)).double()

    def _standardised(self, attributes: Tensor) -> Tensor:
        mean, std = self._scales
        return (attributes - mean) / std


class _Judge:
    """Class probabilities (M, 10) and standardised attributes (M, A) of images."""

    def __init__(self, scales: tuple[Tensor, Tensor]) -> None:
        self._classifier = load_classifier()
        self._mean, self._std = scales

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.clamp(-1.0, 1.0)
        attributes = (attributes_of(x).double() - self._mean) / self._std
        return class_probabilities(self._classifier, x).double(), attributes


def attributes_of(x: Tensor) -> Tensor:
    """(M, A) of images (M, 1, 28, 28): what ATTRIBUTES names, each of the item's own pixels.

    Of smoothed images: what grain a sampler leaves must not pass for an attribute.
    """
    image = avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)[:, 0]
    own = (image > FOREGROUND).to(x)
    pixels = own.sum(dim=(1, 2)).clamp(min=1.0)
    brightness = (image * own).sum(dim=(1, 2)) / pixels
    rows = (own.sum(dim=2) > 0.0).to(x).sum(dim=1).clamp(min=1.0)
    columns = (own.sum(dim=1) > 0.0).to(x).sum(dim=1).clamp(min=1.0)
    down = torch.arange(image.shape[1]).to(x)[None, :, None]
    centre = (own * down).sum(dim=(1, 2)) / pixels
    return torch.stack([brightness, pixels / image[0].numel(), (rows / columns).log(), centre], dim=1)


@torch.inference_mode()
def denoising_error(prior: Prior, x: Tensor) -> Tensor:
    """(M,), mean squared error of x_0_hat over LEVELS, each in units of the noise: a part of the prior's own
    bound on log q(x)."""
    noise = torch.randn(x.shape[1:], generator=torch.Generator().manual_seed(0))
    errors = []
    for level in LEVELS:
        t = prior.schedule.time_of_log_snr(torch.full((len(x),), level, dtype=torch.float64)).to(x)
        a, s = (value[:, None, None, None] for value in (prior.schedule.scale(t), prior.schedule.std(t)))
        x_0_hat = prior.denoise(a * x + s * noise, t).x_0_hat
        errors.append(math.exp(level) * (x_0_hat - x).square().flatten(1).mean(dim=1))
    return torch.stack(errors).mean(dim=0).double()


def fashion() -> Fashion:
    """One or two liked classes, scalar answers."""
    task = Fashion("fashion", (1, 1, 2), _config("scalar", 80, K))
    task.rarities = (1e-1, 1e-2, 1e-3, 1e-4)
    return task


def fashion_binary() -> Fashion:
    """Four liked classes, 300 likes and dislikes, ten a round (the task of PAPA, Sarkar et al. 2026)."""
    task = Fashion("fashion-binary", (4,), _config("binary", 300, 10))
    task.rarities = (0.4, 1e-1, 1e-2, 1e-3, 1e-4)
    return task


def _config(kind: FeedbackKindName, budget: int, k: int) -> SessionConfig:
    return SessionConfig(
        prior="fashion", budget=budget, particles_per_round=k, num_particles=32, feedback_kind=kind
    )
