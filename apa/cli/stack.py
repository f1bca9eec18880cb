"""`apa up`: the whole stack in the foreground. `apa demo`: the main job."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apa.cli import addresses
from apa.cli.addresses import Addresses
from apa.cli.output import Json, print_json, print_pairs
from apa.errors import NotFound

if TYPE_CHECKING:
    from apa.local import LocalStack


def up(
    sampler_port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 0,
    feedback_port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one.")] = 0,
    folder: Annotated[
        Path | None,
        typer.Option(help="Keep the data here, to go on with it next time. Default: a temporary one."),
    ] = None,
    priors: Annotated[
        list[Path] | None,
        typer.Option(help="A directory of prior folders, served beside the shipped ones; may be repeated."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No log of the parts on stderr.")] = False,
    as_json: Json = False,
) -> None:
    """Run Redis, the feedback service, a sampler and a trainer here, until Ctrl-C.

    REDIS_URL, when set, names a Redis to use instead of one of its own. Settings of the parts (APA_SAMPLER_*,
    APA_FEEDBACK_*, APA_TRAINER_*) reach them. Other `apa` commands of this user find the stack by themselves.
    """
    stack = _local_stack(folder, sampler_port, feedback_port, priors or [], quiet)
    print("starting; this takes some seconds", file=sys.stderr)
    try:
        with stack:
            found = Addresses(stack.sampler, stack.feedback, stack.redis_url, stack.metrics, os.getpid())
            addresses.publish(found)
            try:
                _show(found, as_json)
                stack.wait()
            finally:
                addresses.withdraw(found.pid)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)


def demo(context: typer.Context) -> None:
    """Four simulated shoppers on a stack of their own. Options: see `apa demo --help`."""
    run_module("simulation.demo", context.args)


def run_module(module: str, arguments: list[str]) -> None:
    """Becomes `python -m module`: commands that need torch are not imported into this process."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def _local_stack(
    folder: Path | None, sampler_port: int, feedback_port: int, priors: list[Path], quiet: bool
) -> LocalStack:
    try:
        from apa.local import LocalStack
    except ModuleNotFoundError as error:
        raise NotFound(
            "`apa up` needs packages that are not installed",
            expected="pip install 'active-preference-alignment[local]'",
            found=f"no module {error.name}",
        ) from error
    log = None if quiet else lambda line: print(line, file=sys.stderr, flush=True)
    return LocalStack(
        folder, log=log, sampler_port=sampler_port, feedback_port=feedback_port, prior_folders=priors
    )


def _show(found: Addresses, as_json: bool) -> None:
    if as_json:
        print_json(asdict(found))
    else:
        print("\nready\n")
        where: dict[str, object] = {
            "sampler": found.sampler,
            "feedback": found.feedback,
            "redis": found.redis_url,
        }
        print_pairs(where | {f"metrics of {name}": url for name, url in found.metrics.items()})
        print(f'\nClient(sampler="{found.sampler}", feedback="{found.feedback}")')
        print("\nCtrl-C ends all of it.\n")
    sys.stdout.flush()
