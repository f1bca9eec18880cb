"""What a call needs of the device beside its run, computed on the engine's thread a batch at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import TypeVar

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.base import Joint, Prediction, Surrogate
from apa.surrogates.linear import data_end_features
from sampler_service.population import Population
from sampler_service.potential import Potential
from sampler_service.preview import Preview
from sampler_service.routes.outlook import reward_of
from sampler_service.service_loop import EngineThread

T = TypeVar("T")
BLOCK = 2048
"""Rows, on a CPU, whose intermediate numbers stay in its cache."""


@dataclass(frozen=True)
class OnDevice:
    """The device, for threads that do not own it: what they give and get is on the host.

    What asks no denoiser is computed on the caller's own thread where the device is the CPU.
    """

    engine: EngineThread

    def on_host(self, population: Population) -> Population:
        """A finished run's population on the host."""
        if population.x.device.type == "cpu":
            return population
        return self.engine.call(lambda: _copied(population), population.x.numel())

    def preview_on_host(self, preview: Preview) -> Preview:
        """What a run under way handed out, on the host."""
        return self.engine.call(lambda: _preview_copied(preview), preview.x_0_hat.numel())

    def predict(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Prediction:
        """What the surrogate expects of items x: (M, *data_shape), M at least 1."""
        elements = math.prod(prior.data_shape)
        parts = [
            self._predict_rows(prior, surrogate, rows)
            for rows in torch.split(x, self.engine.rows_of(elements))
        ]
        return Prediction(torch.cat([part.mean for part in parts]), torch.cat([part.std for part in parts]))

    def features(self, prior: Prior, level: float, x: Tensor) -> Tensor:
        """(M, F), float32: the clean features of items x: (M, *data_shape), M at least 1, at a log-SNR."""
        rows = torch.split(x, self.engine.rows_of(math.prod(prior.data_shape)))
        return torch.cat([self._features_of_rows(prior, level, part) for part in rows])

    def predict_features(self, surrogate: Surrogate, features: Tensor) -> Prediction | None:
        """What the surrogate expects of items by their features (M, F); None when it reads anything else."""
        return self._in_blocks(surrogate.predict_features, features)

    def predict_items(self, surrogate: Surrogate, x: Tensor) -> Prediction | None:
        """What it expects of items x by nothing but themselves, in their dtype; None if it reads more."""

        def predict(rows: Tensor) -> Prediction | None:
            latent = surrogate.latent_items(rows)
            return None if latent is None else surrogate.in_users_units(latent)

        return self._in_blocks(predict, x)

    def joint_features(self, surrogate: Surrogate, features: Tensor) -> Joint | None:
        """What the surrogate expects of items together by their features; None when it reads other things."""

        return self._together(surrogate.joint_features, features)

    def joint_items(self, surrogate: Surrogate, x: Tensor) -> Joint | None:
        """What it expects of items x: (M, *data_shape) together by nothing but themselves; None when it reads
        more.
        """
        return self._together(surrogate.joint_items, x)

    def latent(self, surrogate: Surrogate, x: Tensor, features: Tensor | None) -> Prediction | None:
        """The posterior of the latent reward of items at the data end, without the denoiser, in their dtype.

        Args:
            x: (M, *data_shape). features: (M, F), where they are known.

        Returns:
            None when the surrogate reads anything else.
        """
        known = None if features is None else self._in_blocks(surrogate.latent_features, features)
        return self._in_blocks(surrogate.latent_items, x) if known is None else known

    def rewards_denoised(self, prior: Prior, potential: Potential, x: Tensor, t: float) -> Tensor:
        """(M,), float64: a run's own reward of x: (M, *data_shape) at t, by one denoiser call for each."""

        def compute(rows: Tensor) -> Tensor:
            return reward_of(prior, potential, rows.to(self.engine.device), t).cpu()

        parts = torch.split(x, self.engine.rows_of(math.prod(prior.data_shape)))
        return torch.cat([self.engine.call(partial(compute, part), part.numel()) for part in parts])

    def joint(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Joint:
        """What the surrogate expects of items x: (M, *data_shape) together.

        More than a batch of them are taken in pairs of half batches, as covariances are of two items: with b
        rows in a batch, about 2 (M / b)^2 of them.
        """
        rows = self.engine.rows_of(math.prod(prior.data_shape))
        if len(x) <= rows:
            return self._joint_of_rows(prior, surrogate, x)
        mean = torch.empty(len(x), dtype=torch.float64)
        covariance = torch.empty(len(x), len(x), dtype=torch.float64)
        halves = torch.split(torch.arange(len(x)), max(1, rows // 2))
        for one, other in combinations(halves, 2):
            both = torch.cat([one, other])
            joint = self._joint_of_rows(prior, surrogate, x[both])
            mean[both] = joint.mean
            covariance[both[:, None], both] = joint.covariance
        return Joint(mean, covariance)

    def _in_blocks(self, predict: Callable[[Tensor], Prediction | None], given: Tensor) -> Prediction | None:
        """Of rows (M, ...), M at least 1."""

        def compute(rows: Tensor) -> Prediction | None:
            found = predict(rows)
            return None if found is None else Prediction(found.mean.cpu(), found.std.cpu())

        parts = []
        for rows in torch.split(given, BLOCK if self._is_host else len(given)):
            part = self._computed(compute, rows)
            if part is None:
                return None
            parts.append(part)
        return Prediction(torch.cat([part.mean for part in parts]), torch.cat([part.std for part in parts]))

    def _together(self, joint: Callable[[Tensor], Joint | None], given: Tensor) -> Joint | None:
        def compute(rows: Tensor) -> Joint | None:
            found = joint(rows)
            return None if found is None else Joint(found.mean.cpu(), found.covariance.cpu())

        return self._computed(compute, given)

    def _computed(self, compute: Callable[[Tensor], T], given: Tensor) -> T:
        """Of rows on the host (M, ...), without the denoiser."""
        if self._is_host:
            return compute(given)
        return self.engine.call(lambda: compute(given.to(self.engine.device)), given.numel())

    @property
    def _is_host(self) -> bool:
        return self.engine.device.type == "cpu"

    def images(self, prior: Prior, x: Tensor) -> Tensor:
        """What particles look like; only latents have to be decoded. See `Prior.to_images`."""
        if prior.card.kind != "latent":
            return prior.to_images(x)
        # The copy back is the device's work too.
        return self.engine.call(lambda: prior.to_images(x).cpu(), x.numel())

    def _predict_rows(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Prediction:
        def compute() -> Prediction:
            prediction = surrogate.predict(prior, x.to(self.engine.device))
            return Prediction(prediction.mean.cpu(), prediction.std.cpu())

        return self.engine.call(compute, x.numel())

    def _features_of_rows(self, prior: Prior, level: float, x: Tensor) -> Tensor:
        @torch.no_grad()
        def compute() -> Tensor:
            return data_end_features(prior, x.to(self.engine.device), level).float().cpu()

        return self.engine.call(compute, x.numel())

    def _joint_of_rows(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Joint:
        def compute() -> Joint:
            joint = surrogate.joint(prior, x.to(self.engine.device))
            return Joint(joint.mean.cpu(), joint.covariance.cpu())

        return self.engine.call(compute, x.numel())


def _copied(population: Population) -> Population:
    return replace(
        population,
        x=population.x.cpu(),
        log_weights=population.log_weights.cpu(),
        ancestors=population.ancestors.cpu(),
        tilt=None if population.tilt is None else population.tilt.cpu(),
    )


def _preview_copied(preview: Preview) -> Preview:
    return Preview(preview.rows.cpu(), preview.x_0_hat.cpu(), preview.log_weights.cpu())
