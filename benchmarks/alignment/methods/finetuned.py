"""The denoiser itself, fine-tuned on what was answered, each item weighted by how well it was liked.

Reward-weighted regression on the denoising loss (Lee et al. 2023, Fan and Lee 2023 in kind): weights are
exp(reward / temperature) over standardised rewards, normalised; a part of every batch are the prior's own
draws, which keep it from forgetting the others. Then k unsteered draws of the tuned prior are shown.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor

from alignment import Respond
from alignment.slates import resolved
from apa.priors.network import NetworkPrior
from benchmarks.alignment.methods.method import Shown, seeded, spend
from benchmarks.alignment.tasks import Task
from sampler_service import sample
from trainer_worker.fit.standardise import standardise_rewards
from trainer_worker.observations import Observations
from trainer_worker.priors.objective import denoising_loss

STEPS = 40
"""Of Adam, a round."""
BATCH, KEPT = 16, 8
"""Answered items and prior's draws in a batch."""
LEARNING_RATE = 1e-4
TEMPERATURE = 0.5
"""In standard deviations of the answers."""
NUM_REFERENCE = 64


def finetuned(task: Task, respond: Respond, seed: int, shown: Shown) -> None:
    """Spends the budget; the network goes on from round to round."""
    base = cast(NetworkPrior, task.prior)
    config = resolved(base, task.config)
    network = copy.deepcopy(base.network)
    tuned = NetworkPrior(network, base.preconditioning, base.card, base.content_hash)
    reference = sample(base, None, config, num_particles=NUM_REFERENCE, generator=seeded(seed, 999)).x

    def propose(so_far: Observations | None, k: int, round_index: int) -> Tensor:
        generator = seeded(seed, round_index)
        if so_far is not None:
            _tune(tuned, so_far, reference, generator)
        return sample(tuned, None, config, num_particles=k, generator=generator).x

    spend(task, respond, shown, propose)


def _tune(prior: NetworkPrior, so_far: Observations, reference: Tensor, generator: torch.Generator) -> None:
    network = prior.network.train().requires_grad_(True)
    weights = (standardise_rewards(so_far.values).y / TEMPERATURE).softmax(dim=0)
    answered = so_far.x[so_far.item_of_value]
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    with torch.enable_grad():
        for _ in range(STEPS):
            # Drawing items by weight is the weighted loss in expectation.
            liked = torch.multinomial(weights, BATCH, replacement=True, generator=generator)
            kept = torch.randint(len(reference), (KEPT,), generator=generator)
            batch = torch.cat([answered[liked], reference[kept]])
            optimizer.zero_grad()
            torch.autograd.backward(denoising_loss(network, prior.preconditioning, batch, generator))
            optimizer.step()
    network.eval().requires_grad_(False)
