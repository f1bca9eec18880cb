"""Every method by the name that the tables show."""

from __future__ import annotations

from benchmarks.alignment.methods.bayesian import qlogei
from benchmarks.alignment.methods.catalogue import exhaustive, is_films, linucb
from benchmarks.alignment.methods.finetuned import finetuned
from benchmarks.alignment.methods.method import Method
from benchmarks.alignment.methods.routed import DRAWS_OF_A_SESSION, by_route
from benchmarks.alignment.methods.steered import is_image, of_the_paper, ours, steered
from benchmarks.alignment.methods.unsteered import draw_pool, fresh_pool, prior_only, stored_pool
from benchmarks.alignment.tasks import Task

__all__ = [
    "ABLATIONS",
    "ALGORITHM_1",
    "AS_PRINTED",
    "CHOSEN",
    "METHODS",
    "OURS",
    "RANKED",
    "ROUTED",
    "Method",
    "methods_for",
]

OURS = "ours"
"""The defaults of the service, but that every run is steered from noise."""
ALGORITHM_1 = "algorithm 1, all answers"
"""With -f, as Algorithm 2 has it, trained on all answers."""
AS_PRINTED = "algorithm 1, round's answers"
"""The same, its network going on from round to round; of vectors no network does."""

METHODS: dict[str, Method] = {
    OURS: steered(ours()),
    ALGORITHM_1: steered(of_the_paper("with", "all")),
    AS_PRINTED: steered(of_the_paper("with", "round"), is_image),
    "prior only": Method(prior_only),
    "guidance only": steered(ours(corrector="guidance")),
    "pool, equal answers": Method(stored_pool, prepare=draw_pool),
    "pool, equal seconds": Method(fresh_pool),
    "qLogEI": Method(qlogei),
    "LinUCB": Method(linucb, is_films),
    "exhaustive scoring": Method(exhaustive, is_films),
    "fine-tuning": Method(finetuned, is_image),
    "algorithm 1 without -f": steered(of_the_paper("without", "all")),
}

ABLATIONS: dict[str, Method] = {
    "ours, epsilon_greedy": steered(ours({"policy": "epsilon_greedy"})),
    "ours, ucb": steered(ours({"policy": "ucb"})),
    "ours, thompson": steered(ours({"policy": "thompson"})),
    "ours, fkc": steered(ours(corrector="fkc", integrator="euler_maruyama")),
    "ours, clipped": steered(ours(corrector="clipped", integrator="euler_maruyama")),
    "ours, 30 steps": steered(ours(num_steps=30)),
    "ours, half the evaluations": steered(ours(active_interval=(0.1, 0.5), beta=16.0)),
    "ours, N = 16": steered(ours({"num_particles": 16})),
    "ours, N = 128": steered(ours({"num_particles": 128})),
    "ours, cnn": steered(ours({"surrogate": "cnn"}), is_image),
    "ours, mlp": steered(ours({"surrogate": "mlp"})),
    "ours, linear": steered(ours({"surrogate": "linear"})),
}
"""One part of our default changed; what it is already makes no cells of its own."""


CHOSEN, RANKED = "ours, route chosen", "ours, ranked"

ROUTED: dict[str, Method] = {CHOSEN: by_route("auto"), RANKED: by_route("rank", DRAWS_OF_A_SESSION)}
"""The same loop by routes, whose draws are there before the first user."""


def methods_for(task: Task) -> dict[str, Method]:
    """The methods, ablations and routes of a task."""
    known = METHODS | ABLATIONS | ROUTED
    return {name: method for name, method in known.items() if method.tasks(task)}
