"""The main job: four simulated shoppers on the fashion prior, through the public client only.

python -m simulation.demo [--seed S] [--json FILE] [--out FOLDER]     (the command `apa demo`)
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from apa.client import Client
from apa.errors import ApaError
from apa.local.stack import LocalStack
from simulation.control import Control, control
from simulation.fashion_tastes import SHOPPERS, Taste
from simulation.oracle import FashionOracle
from simulation.picture import draw
from simulation.report import ShopperReport, as_json, table
from simulation.shopper import Round, SessionPlan, shop

CALL_TIMEOUT_S = 300.0
CONTROL_ITEMS = 2000
CONTROL_RUN = 500
"""Particles of one control run: several runs, so that the control shares the batch like anybody else."""


def main(
    seed: Annotated[int, typer.Option(help="Seeds every run of every session.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("demo-output"),
) -> None:
    """Starts the local stack, runs four shoppers, prints a table and draws a picture for each."""
    torch.set_num_threads(1)
    started = time.monotonic()
    with LocalStack() as stack, Client(stack.sampler, stack.feedback, timeout_s=CALL_TIMEOUT_S) as client:
        _say(f"stack ready in {time.monotonic() - started:.0f} s")
        reports = run(client, seed)
    out.mkdir(parents=True, exist_ok=True)
    pictures = [_draw(out, report) for report in reports]
    print()
    print(table(reports))
    print()
    for path in pictures:
        print(f"picture: {path}")
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(reports, seed), indent=2) + "\n")
        print(f"figures: {json_file}")
    print(f"took {time.monotonic() - started:.0f} s; `apa up` keeps a stack like this one running")


def run(client: Client, seed: int) -> list[ShopperReport]:
    """The four shoppers at once, and the control beside them, on a stack that is up."""
    oracle = FashionOracle()
    with ThreadPoolExecutor(max_workers=len(SHOPPERS) + 1) as pool:
        items = pool.submit(_control_items, client, seed)
        sessions = [pool.submit(_shop, client, oracle, taste, seed, i) for i, taste in enumerate(SHOPPERS)]
        try:
            rounds = [session.result() for session in sessions]
            prior_items = items.result()
        except BaseException:
            # Ctrl-C, or a shopper that failed: the others would go on to their last round.
            client.close()
            raise
    return [
        ShopperReport(taste.name, shown, _control_of(oracle, taste, prior_items, len(shown[0].items)))
        for taste, shown in zip(SHOPPERS, rounds, strict=True)
    ]


def _shop(client: Client, oracle: FashionOracle, taste: Taste, seed: int, place: int) -> list[Round]:
    def told(shown: Round) -> None:
        bar = "#" * round(20 * shown.mean_reward)
        _say(f"{taste.name:<17} round {shown.index}  {shown.mean_reward:.2f}  {shown.route:<10} {bar}")

    return shop(
        client,
        SessionPlan(),
        lambda items: oracle.rewards(taste, items),
        seed=1_000_000 * seed + 10_000 * place,
        on_round=told,
    )


def _control_items(client: Client, seed: int) -> NDArray[np.float32]:
    """(2000, 1, 28, 28), the unsteered prior's items."""
    first = 1_000_000 * seed + 900_000
    runs = [
        client.sample(prior="fashion", num_particles=CONTROL_RUN, sampling={"seed": first + i}).particles
        for i in range(CONTROL_ITEMS // CONTROL_RUN)
    ]
    return np.concatenate([run.x for run in runs if run is not None])


def _control_of(oracle: FashionOracle, taste: Taste, items: NDArray[np.float32], k: int) -> Control:
    return control(oracle.rewards(taste, items), k)


def _draw(out: Path, report: ShopperReport) -> Path:
    path = out / f"{report.taste.replace(' ', '-')}.png"
    draw(path, report.taste, report.rounds, report.control)
    return path


_printing = threading.Lock()


def _say(line: str) -> None:
    with _printing:
        print(line, flush=True)


if __name__ == "__main__":
    try:
        typer.run(main)
    except ApaError as error:
        sys.exit(f"error: {error}")
