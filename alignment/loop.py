"""Algorithm 1's loop: slates are shown until their answers have spent the budget, and each teaches the next.

    sample -> distinct candidates -> policy -> answers -> fit, gate -> sample ...

Every arrow is the function that the services call; what they add is storage, transport and concurrency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from alignment.learning import Learner
from alignment.slates import Draw, show, steered
from apa.errors import InvalidArgument
from apa.priors.base import Prior
from apa.records.asking import answers_to
from apa.records.session import RefitQuality, SessionConfig
from apa.records.slate import Slate
from apa.surrogates.base import Surrogate
from sampler_service.population import Population
from sampler_service.sampling import draw_seed
from trainer_worker.fit import FeatureCache, Transport, WarmStart
from trainer_worker.observations import Observations

Respond = Callable[[Tensor, int], Observations]
"""(items (k, *data_shape) as shown, answers asked for) -> the answers, about rows of these items."""


@dataclass(frozen=True)
class Round:
    """One slate and what became of it.

    Attributes:
        slate: why each item was shown, and with which propensity.
        x: (k, *data_shape), the items in the order shown; for a catalogue the items' own vectors.
        population: the run that they were chosen from.
        answers: about rows of x.
        spent: answers of the budget, this round's included.
        surrogate: learnt from all answers up to this round's.
        quality: how well the surrogate before had foreseen this round's answers; None without one.
    """

    index: int
    slate: Slate
    x: Tensor
    population: Population
    answers: Observations
    spent: int
    surrogate: Surrogate | None
    quality: RefitQuality | None = None


@dataclass(frozen=True)
class History:
    """A whole alignment; the first round is unsteered unless a cohort steers it."""

    rounds: tuple[Round, ...]

    @property
    def surrogate(self) -> Surrogate | None:
        """What was learnt in the end; None where no answers could be learnt from."""
        return self.rounds[-1].surrogate


def align(
    prior: Prior,
    respond: Respond,
    config: SessionConfig,
    *,
    seed: int = 0,
    transport: Transport | None = None,
    cache: FeatureCache | None = None,
    draw: Draw = steered,
    cohort: WarmStart | None = None,
    on_round: Callable[[Round], None] = lambda _: None,
) -> History:
    """Spends the budget of one user.

    Args:
        respond: the user; asked for `asked` answers of the config's kind about the items of one slate.
        config: as a session's; its `prior` is only a name here.
        seed: the same seed, prior and answers give the same history.
        transport: how heads on the prior's features look through noise, where that was learnt.
        cache: of the prior's features of shown items; may be shared between alignments.
        draw: where each round's population comes from: a steered run unless something else is compared.
        cohort: what the user begins from, the first slate included; only with a gp.
        on_round: told of each round as it ends.

    Raises:
        InvalidArgument: the config does not fit the prior, or what the user answered was not asked for.
        NumericalError: a run became non-finite; names the step.
    """
    _check(config, cohort)
    learner = Learner(prior, config, seed, transport, cache or FeatureCache(), cohort)
    generator = torch.Generator().manual_seed(seed)
    rounds: list[Round] = []
    spent, surrogate, shown_before = 0, learner.before_answers(), set[str]()
    while spent < config.budget:
        asked = min(answers_to(config, config.particles_per_round), config.budget - spent)
        factor = 1.0 if not rounds or rounds[-1].quality is None else rounds[-1].quality.beta_factor
        made = show(
            prior, surrogate, config, len(rounds), asked, draw_seed(generator), shown_before, draw, factor
        )
        if len(made.x) == 0:
            # A catalogue of which everything was shown.
            break
        answers = _checked(respond(made.x, asked), made.x, config, asked)
        spent += cost(answers)
        so_far = [*(each.answers for each in rounds), answers]
        before = [each.quality for each in reversed(rounds) if each.quality is not None]
        quality = learner.look_back(so_far, surrogate, before)
        surrogate = learner.learn(so_far, surrogate)
        shown_before |= made.item_ids
        rounds.append(
            Round(len(rounds), made.slate, made.x, made.population, answers, spent, surrogate, quality)
        )
        on_round(rounds[-1])
    return History(tuple(rounds))


def cost(answers: Observations) -> int:
    """What answers take of the budget: a ranking of m items m - 1, every other one 1."""
    return sum(max(1, len(rows) - 1) for rows in answers.rows)


def _check(config: SessionConfig, cohort: WarmStart | None) -> None:
    """Raises InvalidArgument for what only a service does, and for a cohort that no gp begins from."""
    if cohort is not None and config.surrogate != "gp":
        raise InvalidArgument(
            "only a gp begins from a cohort", field="surrogate", expected="gp", found=config.surrogate
        )
    if config.raters:
        raise InvalidArgument(
            "the loop in-process asks one user", field="raters", expected="none", found=str(config.raters)
        )


def _checked(answers: Observations, x: Tensor, config: SessionConfig, asked: int) -> Observations:
    """The answers, if they are what was asked for; none at all would never spend the budget."""
    if answers.kind != config.feedback_kind:
        raise _unasked("kind", config.feedback_kind, answers.kind)
    if answers.x.shape != x.shape:
        raise _unasked("x", f"the items shown, {tuple(x.shape)}", str(tuple(answers.x.shape)))
    if not 1 <= cost(answers) <= asked:
        raise _unasked("answers", f"1 to {asked} answers", f"answers that cost {cost(answers)}")
    return answers


def _unasked(field: str, expected: str, found: str) -> InvalidArgument:
    return InvalidArgument("these answers were not asked for", field=field, expected=expected, found=found)
