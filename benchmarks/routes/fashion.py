"""*fashion*: a learnt head on images, and half of the shipped draws to tell what there is to gain.

The other half are the stored draws: who ranks the draws that the reference is read off would be right by
definition.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from apa.errors import NotFound
from apa.prior_folders import shipped_priors_dir
from apa.surrogates.base import Surrogate
from apa.surrogates.linear import DATA_END_LOG_SNR
from benchmarks.report import Scale
from benchmarks.routes.learned import LearnedPlace, beta_of
from sampler_service.config import SamplerSettings
from sampler_service.drawing import features_of
from sampler_service.potential import SurrogatePotential
from sampler_service.routes import Outlook, StoredPool, Target
from sampler_service.stored_files import FILE, read_stored
from simulation.fashion_classifier import class_probabilities, load_classifier
from simulation.fashion_tastes import classes
from trainer_worker.fit import fit
from trainer_worker.observations import Observations
from trainer_worker.shelf import PriorShelf

LIKED = ("bag", "ankle boot")
ANSWERS = 80
RARITIES = (1e-1, 1e-2, 1e-3)


def fashion_places(scale: Scale) -> Iterator[LearnedPlace]:
    """Of one taste; half of the draws are stored, the last 80 answered, the others the reference."""
    shelved = PriorShelf().get("fashion")
    prior, file = shelved.prior, read_stored(shipped_priors_dir() / "fashion" / FILE, shelved.prior)
    if file is None:
        raise NotFound("fashion is shipped without its stored draws", field="prior", expected=FILE)
    x, features = file.draws.x, file.features[DATA_END_LOG_SNR]
    stored, answered = slice(len(x) // 2), slice(len(x) - ANSWERS, None)
    told = classes(*LIKED)(class_probabilities(load_classifier(), x[answered]), x[answered])
    surrogate = fit("gp", prior, Observations.scalar(x[answered], told), seed=0, transport=shelved.transport)
    began = time.perf_counter()
    of_stored = read(surrogate, features[stored])
    reading_s = time.perf_counter() - began
    reference = read(surrogate, features[len(x) // 2 : -ANSWERS])
    config = SamplerSettings.model_construct().sampling()
    base = Target(prior, SurrogatePotential(surrogate), config, StoredPool(x[stored], prior.content_hash))
    for rarity in (1e-2,) if scale.quick else RARITIES:
        beta = beta_of(reference, rarity)
        steered = config.model_copy(update={"beta": beta, "num_steps": scale.pick(config.num_steps, 4)})
        yield LearnedPlace(
            prior_name="fashion",
            rarity=rarity,
            target=replace(base, config=steered, outlook=Outlook(of_stored, beta)),
            reading_s=reading_s,
            judge=lambda x: read(surrogate, features_of(prior, x, DATA_END_LOG_SNR)),
            before=float(reference.mean()),
            after=float(torch.softmax(beta * reference, dim=0) @ reference),
            reference_ess=Outlook(reference, beta).ess,
        )


def read(surrogate: Surrogate, features: Tensor) -> Tensor:
    """(M,), float64, r of images by their features (M, F) at the data end."""
    latent = surrogate.latent_features(features.double())
    assert latent is not None, "a gp of images reads their features"
    return latent.mean.double()
