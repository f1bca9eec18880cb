"""`apa sample`: one run, as a table, a picture, arrays or JSON."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from apa.cli import destinations
from apa.cli.addresses import Feedback, Sampler, connect, feedback_if_known, running_stack
from apa.cli.budget import why_nothing_is_asked
from apa.cli.catalogue import nearest_items
from apa.cli.grid import check_drawable, images_of, write_grid
from apa.cli.output import Json, certificate_line, print_json, print_table, sample_json
from apa.cli.previews import check_files, sampled, write_previews
from apa.cli.ranges import between, of_session_or_sampler
from apa.client import (
    CatalogueItem,
    Client,
    LoadedPrior,
    SampleResult,
    SessionView,
    ShownItem,
    ShownSlate,
    explain,
)
from apa.errors import ApaError
from apa.records.sampling import CorrectorName, RouteOption, SamplingConfig
from apa.records.session import SessionConfig


def sample(
    session: Annotated[str | None, typer.Argument(help="Id of a session: its next slate.")] = None,
    prior: Annotated[
        str | None,
        typer.Option(help="Name of a prior, instead of a session: unsteered particles. Default: none."),
    ] = None,
    num_particles: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--num-particles",
            help=f"N, {between(SessionConfig, 'num_particles')}. {of_session_or_sampler('num_particles')}",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help=f"From noise to data, {between(SamplingConfig, 'num_steps')}. "
            f"{of_session_or_sampler('num_steps')}"
        ),
    ] = None,
    beta: Annotated[
        float | None,
        typer.Option(
            help=f"How strongly to steer, {between(SamplingConfig, 'beta')}. {of_session_or_sampler('beta')}"
        ),
    ] = None,
    corrector: Annotated[
        CorrectorName | None, typer.Option(help=f"How to steer. {of_session_or_sampler('corrector')}")
    ] = None,
    route: Annotated[
        RouteOption | None,
        typer.Option(
            help="Rank stored draws of the prior, begin at them (pool_start), steer from noise, or take the "
            f"cheapest of these that is adequate (auto). {of_session_or_sampler('route')}"
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help=f"The same seed gives the same particles; {between(SamplingConfig, 'seed')}. Default: drawn."
        ),
    ] = None,
    request_id: Annotated[
        str | None, typer.Option(help="The same id gives the same slate. Default: drawn.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(help="Write the images as one picture. Default: none is written.")
    ] = None,
    npy: Annotated[
        Path | None,
        typer.Option(help="Write the shown items, or the particles, as an array. Default: none is written."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ITEM", help="An item of the catalogue not to show; may be repeated. Default: none."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ITEM", help="Show only this item, and others named so; may be repeated. Default: all."
        ),
    ] = None,
    num_previews: Annotated[
        int,
        typer.Option(
            "--previews",
            help="Beside the --png or --npy file, write how so many of the heaviest particles, from 1 to N, "
            "took shape: NAME.previews.png has some of the steps, NAME.previews.npy all sent. 0 for none.",
        ),
    ] = 0,
    explained: Annotated[
        bool, typer.Option("--explain", help="Say of each item of the slate why it is shown.")
    ] = False,
    folders: Annotated[
        list[Path] | None,
        typer.Option(
            "--in",
            help="A directory of prior folders, to name a catalogue prior's particles; may be repeated. "
            "Default: the shipped ones and those of `apa up`.",
        ),
    ] = None,
    sampler: Sampler = "",
    feedback: Feedback = "",
    as_json: Json = False,
) -> None:
    """Sample a session's next slate, or a prior."""
    options: dict[str, Any] = {"num_steps": steps, "beta": beta, "corrector": corrector, "seed": seed}
    sampling = {name: value for name, value in (options | {"route": route}).items() if value is not None}
    _check_files(png, npy)
    check_files(num_previews, png, npy)
    destinations.check_folders(folders or [], "--in")
    known = feedback_if_known(feedback, sampler) if session else None
    # Only the session knows which prior it is of.
    needed = "" if session and png and known is None else known
    with connect(sampler=sampler, feedback=needed) as apa:
        served = {one.card.name: one for one in apa.list_priors()} if png or prior else {}
        name = apa.get_session(session).config.prior if png and session and not prior else prior
        if png and name in served:
            check_drawable(served[name].card)
        result, seen = sampled(
            apa,
            num_previews,
            session,
            prior=prior,
            num_particles=num_particles,
            sampling=sampling,
            request_id=request_id,
            exclude_item_ids=exclude,
            only_item_ids=only or None,
        )
        view = _session_if_known(apa, session, known) if _asks_nothing(result) else None
    items = _named(result, served.get(result.started.prior), folders or [])
    # Before any file: whatever becomes of those, the ids of what was reserved are not lost.
    if as_json:
        print_json(sample_json(result, items, explained=explained))
    else:
        _print(result, items, explained)
    sys.stdout.flush()
    if session and _asks_nothing(result):
        print(f"this slate asks nothing: {why_nothing_is_asked(session, view)}", file=sys.stderr)
    if png is not None:
        pictures = images_of(result)
        destinations.write(png, "--png", lambda file: write_grid(pictures, file))
    if npy is not None:
        array = _array(result)
        destinations.write(npy, "--npy", lambda file: np.save(file, array))
    if seen:
        write_previews(seen, png, npy)
    elif num_previews:
        print("no previews: the slate was stored before, or the run had one step only", file=sys.stderr)


def _check_files(png: Path | None, npy: Path | None) -> None:
    for path, field in ((png, "--png"), (npy, "--npy")):
        if path is not None:
            destinations.check_writable(path, field)


def _asks_nothing(result: SampleResult) -> bool:
    return result.shown is not None and result.shown.asked == 0


def _session_if_known(apa: Client, session: str | None, feedback: str | None) -> SessionView | None:
    """The session's totals, for an explanation; it is given without them when they cannot be had."""
    if session is None or feedback is None:
        return None
    try:
        return apa.get_session(session)
    except ApaError as error:
        print(f"the budget cannot be shown: {error}", file=sys.stderr)
        return None


def _named(
    result: SampleResult, prior: LoadedPrior | None, folders: list[Path]
) -> list[CatalogueItem] | None:
    """The items nearest to the particles of a run without a session; None where there are none to name."""
    if result.particles is None or prior is None or prior.card.decoder != "catalogue":
        return None
    stack = running_stack()
    directories = [*folders, *(stack.prior_folders if stack is not None else ())]
    items = nearest_items(prior, result.particles.x, directories)
    if items is None:
        print(
            f"no titles: the folder of the prior {prior.card.name} that is served is not on this machine; "
            "--in names another directory",
            file=sys.stderr,
        )
    return items


def _array(result: SampleResult) -> Any:
    """The shown items (k, *data_shape), or the particles (N, *data_shape)."""
    if result.particles is not None:
        return result.particles.x
    return np.stack([item.x for item in result.slate.items])


def _print(result: SampleResult, items: list[CatalogueItem] | None, explained: bool) -> None:
    finished = result.finished
    if result.shown is not None:
        columns = ["particle", "shown", "reason", "predicted", "probability"]
        print_table(columns, [_row(item) for item in result.shown.items])
        if explained:
            _print_explanations(result.shown)
        _print_slate(result)
    if items is not None:
        rows = [(place, item.item_id, _titled(item)) for place, item in enumerate(items)]
        print_table(["particle", "nearest", "title"], rows, right=["particle"])
        print()
    steered = (
        f"by surrogate {result.started.surrogate_version}"
        if result.started.surrogate_version
        else "unsteered"
    )
    print(
        f"{result.started.num_particles} particles of {result.started.prior}, {steered}, "
        f"in {finished.run_seconds:.2f} s after {finished.queue_seconds:.2f} s of waiting"
        f"{', made ahead' if result.started.prepared else ''}"
    )
    if result.started.route:
        print(
            f"route {result.started.route}, {finished.denoiser_evaluations} denoiser evaluations: "
            f"{result.started.route_reason}"
        )
    if finished.certificate is not None:
        print(certificate_line(finished.certificate))


def _print_explanations(slate: ShownSlate) -> None:
    print()
    for place, (item, sentence) in enumerate(zip(slate.items, explain(slate), strict=True), start=1):
        print(f"{place}. {_title(item)}: {sentence}")


def _print_slate(result: SampleResult) -> None:
    slate = result.slate
    expires = datetime.fromtimestamp(slate.expires_at, UTC)
    print(f"\nslate {slate.slate_id}, {slate.asked} answers asked, until {expires:%Y-%m-%d %H:%M} UTC")
    if slate.asked:
        orders = "what only orders: --prefer, --ranking"
        print(f"to answer:     apa feedback {slate.session_id} PARTICLE=REWARD ... ({orders})")
    print(f"to show again: apa sample {slate.session_id} --request-id {result.started.request_id}")


def _row(item: ShownItem) -> tuple[object, ...]:
    predicted = f"{item.predicted_mean:.3g} ± {item.predicted_std:.2g}" if item.predicted_std else "-"
    return item.particle_id, _title(item), item.reason, predicted, f"{item.propensity:.3g}"


def _title(item: ShownItem) -> str:
    if item.item is not None:
        return _titled(item.item)
    return "image" if item.png else "x".join(map(str, item.x.shape))


def _titled(item: CatalogueItem) -> str:
    year = item.attributes.get("year")
    return f"{item.title} ({year})" if year else item.title
