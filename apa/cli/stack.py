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
from apa.cli.destinations import check_folders
from apa.cli.output import Json, print_json, print_pairs
from apa.errors import ApaError, NotFound

if TYPE_CHECKING:
    from apa.local import LocalStack

OPTIONS = {"sampler_port": "--sampler-port", "feedback_port": "--feedback-port", "folder": "--folder"}
"""Arguments of the stack by the option that sets them."""

AS_COMMAND = """
import runpy, sys
module, name, *arguments = sys.argv[1:]
sys.argv = [name, *arguments]
runpy.run_module(module, run_name="__main__")
"""
"""`python -m`, but for the name: with `-m` it would be that of the module."""


def up(
    sampler_port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, envvar="APA_SAMPLER_PORT", help="0 to 65,535, on loopback; 0 for a free one."
        ),
    ] = 0,
    feedback_port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, envvar="APA_FEEDBACK_PORT", help="0 to 65,535, on loopback; 0 for a free one."
        ),
    ] = 0,
    folder: Annotated[
        Path | None,
        typer.Option(help="Keep the data here, to go on with it next time. Default: a temporary one."),
    ] = None,
    priors: Annotated[
        list[Path] | None,
        typer.Option(
            help="A directory of prior folders, served beside the shipped ones; may be repeated. Default: "
            "the shipped ones only."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No log of the parts on stderr.")] = False,
    as_json: Json = False,
) -> None:
    """Run Redis, the feedback service, a sampler and a trainer here, until Ctrl-C.

    REDIS_URL, when set, names a Redis to use instead of one of its own. Settings of the parts (APA_SAMPLER_*,
    APA_FEEDBACK_*, APA_TRAINER_*) reach them, except HOST; the trainer logs warnings and errors only, unless
    APA_TRAINER_LOG_LEVEL says otherwise. Other `apa` commands of this user find the stack by themselves.
    """
    check_folders(priors or [], "--priors")
    stack = _local_stack(folder, sampler_port, feedback_port, priors or [], quiet)
    print("starting; this takes some seconds", file=sys.stderr)
    try:
        with stack:
            found = Addresses(
                stack.sampler,
                stack.feedback,
                stack.redis_url,
                stack.metrics,
                os.getpid(),
                [str(one.absolute()) for one in priors or []],
            )
            _publish(found)
            try:
                _show(found, as_json)
                stack.wait()
            finally:
                addresses.withdraw(found.pid)
    except ApaError as error:
        error.field = OPTIONS.get(error.field, error.field)
        raise
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)


def demo(context: typer.Context) -> None:
    """Four simulated shoppers on a stack of their own. Options: see `apa demo --help`."""
    run_module("simulation.demo", "apa demo", context.args)


def run_module(module: str, name: str, arguments: list[str]) -> None:
    """Becomes `python -m module`: commands that need torch are not imported into this process.

    Args:
        name: what the module calls itself in its help and errors.
    """
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-c", AS_COMMAND, module, name, *arguments])


def _publish(found: Addresses) -> None:
    try:
        addresses.publish(found)
    except OSError as error:
        # The stack serves nevertheless, whoever is told its addresses.
        print(
            f"other `apa` commands will not find this stack by themselves: {addresses.state_folder()}: "
            f"{error.strerror}; field: XDG_STATE_HOME; expected: a folder that may be written to",
            file=sys.stderr,
        )


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
