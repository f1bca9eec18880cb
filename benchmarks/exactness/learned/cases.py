"""The two shipped priors, each with the chain that it is run by and a reward to tilt it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.priors.catalogue import Catalogue
from apa.records.sampling import SamplingConfig
from benchmarks.exactness.learned.cells import cells_of
from benchmarks.exactness.learned.draws import Chain, Draws
from sampler_service.potential import DenoisedRewardPotential, Potential, SurrogatePotential
from sampler_service.sampling import sample
from simulation.closed_forms import LinearReward
from simulation.fashion_classifier import CLASS_NAMES, WEIGHTS_PATH, class_probabilities, load_classifier
from simulation.fashion_tastes import classes
from simulation.film_table import shipped_film_table
from simulation.film_tastes import FilmTaste, Mode
from trainer_worker.fit.linear import fit_linear
from trainer_worker.observations import Observations
from trainer_worker.shelf import PriorShelf

FASHION_ANSWERS = 80
"""What the reward is learnt from: the budget of a session."""
FILM_TASTE = FilmTaste(
    "new comedies and old dramas",
    (Mode(genres=("Comedy",), era=(2000, 2014)), Mode(genres=("Drama",), era=(1940, 1979))),
)
ANSWERED_SEED = 1_000_000
"""Of the answered items; far from the seeds of the draws and of the runs."""


@dataclass(frozen=True)
class LearnedCase:
    """A chain to be tilted.

    Attributes:
        name: as the table shows it.
        potential: r along the path.
        reward: the same at the end of the chain, from what was read there: (M, F) -> (M,), float64.
            Importance weights are exact for no other.
        groups: what the masses are of, in groups whose cells make a whole: group -> names of cells.
        items: the items of a catalogue as if they were draws; None for a prior of anything else.
        cells: judged end points (N, J) -> (N, C), the share of every cell of every group, in their order.
    """

    name: str
    chain: Chain
    potential: Potential
    reward: Callable[[Tensor], Tensor]
    groups: dict[str, tuple[str, ...]]
    cells: Callable[[Tensor], Tensor]
    items: Draws | None = None


def fashion_chain(prior: Prior) -> Chain:
    """Ten steps: exactness is about the chain as it is, and 100,000 draws are 1.1 million evaluations."""
    classifier = load_classifier()
    return Chain(
        prior,
        SamplingConfig(num_steps=10, corrector="twisted", integrator="ancestral"),
        "features",
        lambda x: class_probabilities(classifier, x.clamp(-1.0, 1.0)),
        hashlib.sha256(WEIGHTS_PATH.read_bytes()).hexdigest(),
    )


def fashion() -> LearnedCase:
    """Bags and ankle boots, learnt as the service learns them; the masses are those of the ten classes."""
    shelved = PriorShelf().get("fashion")
    chain = fashion_chain(shelved.prior)
    answered = chain.unsteered.model_copy(update={"seed": ANSWERED_SEED})
    x = sample(chain.prior, None, answered, num_particles=FASHION_ANSWERS).x
    rewards = classes("bag", "ankle boot")(chain.judge(x), x)
    surrogate = fit_linear(chain.prior, Observations.scalar(x, rewards), seed=0, transport=shelved.transport)
    log_snr = chain.prior.schedule.log_snr(torch.tensor([chain.config.t_end]))
    return LearnedCase(
        name="fashion",
        chain=chain,
        potential=SurrogatePotential(surrogate),
        reward=lambda features: surrogate.head(log_snr.expand(len(features)), features).double(),
        groups={"class": CLASS_NAMES},
        cells=lambda judged: judged,
    )


def films_chain() -> Chain:
    """Twenty steps from t = 1; an end point is judged by the film that it is shown as."""
    prior = PriorShelf().get("films").prior
    catalogue = catalogue_of(prior)
    return Chain(
        prior,
        SamplingConfig(num_steps=20, corrector="twisted", integrator="ancestral"),
        "x_0_hat",
        lambda x: torch.from_numpy(catalogue.decode(x.numpy()))[:, None],
        hashlib.sha256(catalogue.vectors.tobytes()).hexdigest(),
    )


def films() -> LearnedCase:
    """New comedies and old dramas, as a slope of the vectors; the masses are those of decades and genres.

    A reward that does not change with the service's head, nor with the features that it reads.
    """
    chain, table = films_chain(), shipped_film_table()
    vectors = torch.from_numpy(catalogue_of(chain.prior).vectors)
    reward = LinearReward(slope_of(vectors, torch.from_numpy(FILM_TASTE.rewards(table))))
    cells = cells_of(table)
    scale = chain.prior.schedule.scale(torch.tensor([chain.config.t_end]))
    return LearnedCase(
        name="films",
        chain=chain,
        potential=DenoisedRewardPotential(reward),
        reward=lambda x_0_hat: reward(x_0_hat).double(),
        groups=cells.groups,
        cells=cells.of_items,
        items=Draws(chain.read(scale * vectors), torch.arange(len(vectors))[:, None]),
    )


CASES: dict[str, Callable[[], LearnedCase]] = {"fashion": fashion, "films": films}


def catalogue_of(prior: Prior) -> Catalogue:
    assert prior.catalogue is not None, "the films are a catalogue"
    return prior.catalogue


def slope_of(vectors: Tensor, rewards: Tensor) -> Tensor:
    """(D,), float32: least squares of the true rewards (M,) on vectors (M, D), to a spread of 1 over them."""
    x = vectors.double() - vectors.double().mean(dim=0)
    slope: Tensor = torch.linalg.lstsq(x, rewards.double()[:, None]).solution[:, 0]
    return (slope / (x @ slope).std()).float()
