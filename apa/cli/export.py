"""`apa session export`: a session's history as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from apa.cli.addresses import Feedback, connect
from apa.cli.destinations import check_writable, make_folder, write
from apa.cli.output import Json, print_json, print_pairs
from apa.client import HistoryRecord, PastSlate, RecordedFeedback, bandit_feedback
from apa.wire.history import history_to_json

HISTORY, PARTICLES, BANDIT = "history.jsonl", "particles.npz", "bandit.npz"


def export(
    session: Annotated[str, typer.Argument(help="Id of the session.")],
    out: Annotated[
        Path,
        typer.Option(help=f"Folder for {HISTORY}, {PARTICLES} and {BANDIT}; made where there is none."),
    ],
    feedback: Feedback = "",
    as_json: Json = False,
) -> None:
    """Write all that is kept of a session: what was shown, what was answered, what it learnt."""
    make_folder(out, "--out")
    for name in (HISTORY, PARTICLES, BANDIT):
        check_writable(out / name, "--out")
    with connect(feedback=feedback) as apa:
        history = list(apa.export_session(session))
    lines = "".join(f"{history_to_json(record)}\n" for record in history)
    write(out / HISTORY, "--out", lambda file: file.write(lines.encode()))
    write(out / PARTICLES, "--out", lambda file: np.savez_compressed(file, **_particles(history)))
    write(out / BANDIT, "--out", lambda file: np.savez_compressed(file, **bandit_feedback(history)))
    found = _counts(history) | {"folder": str(out)}
    print_json(found) if as_json else print_pairs(found)


def _counts(history: Sequence[HistoryRecord]) -> dict[str, object]:
    return {
        "slates": sum(isinstance(record, PastSlate) for record in history),
        "answers": sum(isinstance(record, RecordedFeedback) for record in history),
    }


def _particles(history: Sequence[HistoryRecord]) -> dict[str, Any]:
    """particle_ids, slate_ids, item_ids ("" without a catalogue): (M,), and x: (M, *data_shape)."""
    slates = [record for record in history if isinstance(record, PastSlate)]
    kept = [(slate, item, item.x) for slate in slates for item in slate.items if item.x is not None]
    return {
        "particle_ids": np.array([item.particle_id for _, item, _ in kept], np.str_),
        "slate_ids": np.array([slate.slate_id for slate, _, _ in kept], np.str_),
        "item_ids": np.array([item.item_id or "" for _, item, _ in kept], np.str_),
        "x": np.array([x for _, _, x in kept], np.float32),
    }
