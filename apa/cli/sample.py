"""`apa sample`: one run, as a table, a picture, arrays or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from apa.cli.addresses import Sampler, connect
from apa.cli.grid import images_of, write_grid
from apa.cli.output import Json, print_json, print_table, sample_json
from apa.client import SampleResult, ShownItem
from apa.records.sampling import CorrectorName


def sample(
    session: Annotated[str | None, typer.Argument(help="Id of a session: its next slate.")] = None,
    prior: Annotated[str | None, typer.Option(help="Instead of a session: unsteered particles.")] = None,
    num_particles: Annotated[int | None, typer.Option("-n", "--num-particles", help="N.")] = None,
    steps: Annotated[int | None, typer.Option(help="From noise to data.")] = None,
    beta: Annotated[float | None, typer.Option(help="How strongly to steer.")] = None,
    corrector: Annotated[CorrectorName | None, typer.Option(help="How to steer.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same particles.")] = None,
    request_id: Annotated[str | None, typer.Option(help="The same id gives the same slate.")] = None,
    png: Annotated[Path | None, typer.Option(help="Write the images as one picture.")] = None,
    npy: Annotated[
        Path | None, typer.Option(help="Write the shown items, or the particles, as an array.")
    ] = None,
    sampler: Sampler = "",
    as_json: Json = False,
) -> None:
    """Sample a session's next slate, or a prior."""
    options: dict[str, Any] = {"num_steps": steps, "beta": beta, "corrector": corrector, "seed": seed}
    sampling = {name: value for name, value in options.items() if value is not None}
    with connect(sampler=sampler) as apa:
        result = apa.sample(
            session, prior=prior, num_particles=num_particles, sampling=sampling, request_id=request_id
        )
    if png is not None:
        write_grid(images_of(result), png)
    if npy is not None:
        with npy.open("wb") as file:
            np.save(file, _array(result))
    print_json(sample_json(result)) if as_json else _print(result)


def _array(result: SampleResult) -> Any:
    """The shown items (k, *data_shape), or the particles (N, *data_shape)."""
    if result.particles is not None:
        return result.particles.x
    return np.stack([item.x for item in result.slate.items])


def _print(result: SampleResult) -> None:
    finished = result.finished
    if result.shown is not None:
        columns = ["particle", "shown", "reason", "predicted", "probability"]
        print_table(columns, [_row(item) for item in result.shown.items])
        print(f"\nslate {result.shown.slate_id}, {result.shown.asked} answers asked")
    steered = (
        f"by surrogate {result.started.surrogate_version}"
        if result.started.surrogate_version
        else "unsteered"
    )
    print(
        f"{result.started.num_particles} particles of {result.started.prior}, {steered}, "
        f"in {finished.run_seconds:.2f} s after {finished.queue_seconds:.2f} s of waiting"
    )


def _row(item: ShownItem) -> tuple[object, ...]:
    predicted = f"{item.predicted_mean:.3g} ± {item.predicted_std:.2g}" if item.predicted_std else "-"
    return item.particle_id, _title(item), item.reason, predicted, f"{item.propensity:.3g}"


def _title(item: ShownItem) -> str:
    if item.item is None:
        return "image" if item.png else "x".join(map(str, item.x.shape))
    year = item.item.attributes.get("year")
    return f"{item.item.title} ({year})" if year else item.item.title
