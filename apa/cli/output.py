"""What the commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from apa.client import (
    CatalogueItem,
    Certificate,
    FeedbackResult,
    SampleResult,
    SessionView,
    ShownItem,
    ShownSlate,
    explain,
)

WIDEST = 10_000
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for scripts.")]


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Collection[str] = ()
) -> None:
    """A table as wide as its content: a pipe has no width of its own, and ids are there to be copied.

    Args:
        right: columns of numbers, to be aligned at their last digit.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True, justify="right" if column in right else "left")
    for row in rows:
        table.add_row(*map(str, row))
    console = Console(width=WIDEST, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_pairs(pairs: dict[str, object]) -> None:
    width = max(map(len, pairs))
    for name, value in pairs.items():
        print(f"{name:<{width}}  {value}")


def session_json(view: SessionView) -> dict[str, Any]:
    session = view.session.model_dump(mode="json", exclude={"schema_version"})
    ledger = view.ledger.model_dump(mode="json")
    surrogate = view.surrogate.model_dump(mode="json") if view.surrogate else None
    more = {"remaining": view.remaining, "surrogate": surrogate, "pinned_version": view.pinned_version}
    return session | ledger | more


def sample_json(
    result: SampleResult, items: Sequence[CatalogueItem] | None = None, *, explained: bool = False
) -> dict[str, Any]:
    """A run without its tensors: `--npy` writes those.

    Args:
        items: nearest to each particle of a run without a session.
        explained: whether each item of the slate says why it is shown.
    """
    started, finished = result.started, result.finished
    return {
        "run_id": started.run_id,
        "request_id": started.request_id,
        "prior": started.prior,
        "surrogate_version": started.surrogate_version,
        "replayed": started.replayed,
        "num_particles": started.num_particles,
        "route": started.route,
        "route_reason": started.route_reason,
        "prepared": started.prepared,
        "sampling": started.sampling.model_dump(exclude_none=True),
        "log_z": finished.log_z,
        "kl_to_prior": finished.kl_to_prior,
        "num_resamplings": finished.num_resamplings,
        "unique_ancestors": finished.unique_ancestors,
        "clip_events": finished.clip_events,
        "queue_seconds": finished.queue_seconds,
        "run_seconds": finished.run_seconds,
        "denoiser_evaluations": finished.denoiser_evaluations,
        "certificate": None if finished.certificate is None else asdict(finished.certificate),
        "slate": None if result.shown is None else _slate_json(result.shown, explained),
        "particles": None if items is None else [{"item": _catalogue_json(item)} for item in items],
    }


def certificate_line(certificate: Certificate) -> str:
    """What a run is worth, in one line."""
    upper = "no upper end" if certificate.log_z_upper is None else f"{certificate.log_z_upper:.1f}"
    return (
        f"log Z {certificate.log_z:.1f} [{certificate.log_z_lower:.1f}, {upper}], "
        f"KL {certificate.kl_to_prior:.1f}, {certificate.effective_ancestors:.1f} effective ancestors: "
        f"{'adequate' if certificate.adequate else 'not adequate'}"
    )


def result_json(result: FeedbackResult) -> dict[str, Any]:
    if result.error is not None:
        error = result.error
        return {
            "feedback_id": result.feedback_id,
            "error": {
                "kind": type(error).__name__,
                "message": error.message,
                "field": error.field,
                "expected": error.expected,
                "found": error.found,
            },
        }
    assert result.acknowledgement is not None
    return result.acknowledgement.model_dump(mode="json")


def _slate_json(slate: ShownSlate, explained: bool) -> dict[str, Any]:
    items = [_item_json(item) for item in slate.items]
    if explained:
        items = [
            item | {"explanation": sentence} for item, sentence in zip(items, explain(slate), strict=True)
        ]
    return {
        "slate_id": slate.slate_id,
        "session_id": slate.session_id,
        "round_index": slate.round_index,
        "asked": slate.asked,
        "policy": slate.policy,
        "created_at": slate.created_at,
        "expires_at": slate.expires_at,
        "items": items,
    }


def _item_json(item: ShownItem) -> dict[str, Any]:
    return {
        "particle_id": item.particle_id,
        "reason": item.reason,
        "propensity": item.propensity,
        "score": item.score,
        "predicted_mean": item.predicted_mean,
        "predicted_std": item.predicted_std,
        "item": _catalogue_json(item.item) if item.item else None,
    }


def _catalogue_json(item: CatalogueItem) -> dict[str, str]:
    return {"item_id": item.item_id, "title": item.title, **item.attributes}
