"""python -m benchmarks NAME [--json FILE] [--quick] [--threads N], NAME one of these:

engine|exactness|refit|cohort|catalogue|routes|slates|prepared

exactness alone: [--only closed|learned] [--draws M] [--cache DIR]
routes alone: [--sampler package.module:name or a registered name]...
`python -m benchmarks alignment --help` says what that one takes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.report import Scale

NAMES = ("engine", "exactness", "refit", "cohort", "catalogue", "routes", "slates", "prepared")


def main() -> None:
    if sys.argv[1:2] == ["alignment"]:
        raise SystemExit(import_module("benchmarks.alignment.main").main(sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", type=Path, help="also write the report there")
    parser.add_argument("--quick", action="store_true", help="under a minute, with wider spreads")
    parser.add_argument("--threads", type=int, default=1, help="threads of one tensor operation")
    parser.add_argument("--only", choices=("closed", "learned"), help="one half of exactness")
    parser.add_argument("--draws", type=int, help="of each learned prior, at most; a whole chunk at least")
    parser.add_argument("--cache", type=Path, help="where those draws are kept, to go on with")
    parser.add_argument("--sampler", action="append", help="run it beside the routes; may be repeated")
    options = parser.parse_args()
    of_exactness = {name: getattr(options, name) for name in ("only", "draws", "cache")}
    given = [f"--{name}" for name, value in of_exactness.items() if value is not None]
    if given and options.name != "exactness":
        parser.error(f"{', '.join(given)} goes with exactness, found with {options.name}")
    if options.sampler and options.name != "routes":
        parser.error(f"--sampler goes with routes, found with {options.name}")
    run: Callable[[Scale, Path | None], None] = import_module(f"benchmarks.{options.name}").run
    scale = Scale(
        quick=options.quick,
        threads=options.threads,
        samplers=tuple(options.sampler or ()),
        **of_exactness,
    )
    run(scale, options.json)


if __name__ == "__main__":
    main()
