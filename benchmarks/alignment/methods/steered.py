"""Our loop, by config: the default, one part of it changed at a time, guidance alone, Algorithm 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from alignment import Respond, align
from alignment.algorithm_1 import Drift, algorithm_1, changed
from alignment.slates import resolved
from apa.records.session import RefitOnName, SessionConfig
from benchmarks.alignment.methods.method import Method, Shown
from benchmarks.alignment.tasks import Task

Configured = Callable[[Task], SessionConfig]


def steered(configured: Configured, tasks: Callable[[Task], bool] = lambda _: True) -> Method:
    """The loop in-process with a config that depends on the task."""

    def run(task: Task, respond: Respond, seed: int, shown: Shown) -> None:
        align(
            task.prior,
            respond,
            configured(task),
            seed=seed,
            transport=task.transport,
            on_round=lambda done: shown(done.x),
        )

    def describe(task: Task) -> dict[str, object]:
        config = configured(task)
        return {
            "config": config.model_dump(mode="json"),
            "sampling": resolved(task.prior, config).model_dump(mode="json"),
        }

    return Method(run, tasks, describe)


def ours(fields: Mapping[str, object] | None = None, **sampling: object) -> Configured:
    """Our default, with the given fields and knobs of sampling replaced."""
    return lambda task: changed(task.config, fields or {}, sampling)


def of_the_paper(drift: Drift, refit_on: RefitOnName) -> Configured:
    """Algorithm 1; its network reads vectors where the items are none of images."""

    def configured(task: Task) -> SessionConfig:
        own = task.config
        config = algorithm_1(
            own.prior, own.budget, own.particles_per_round, own.num_particles, drift=drift, refit_on=refit_on
        )
        network = "cnn" if is_image(task) else "mlp"
        return changed(config, {"feedback_kind": own.feedback_kind, "surrogate": network})

    return configured


def is_image(task: Task) -> bool:
    return len(task.prior.data_shape) == 3
