"""python -m benchmarks engine|exactness [--json FILE] [--quick]"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.report import Scale

NAMES = ("engine", "exactness")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", type=Path, help="also write the report there")
    parser.add_argument("--quick", action="store_true", help="under a minute, with wider spreads")
    parser.add_argument("--threads", type=int, default=1, help="threads of one tensor operation")
    options = parser.parse_args()
    run: Callable[[Scale, Path | None], None] = import_module(f"benchmarks.{options.name}").run
    run(Scale(quick=options.quick, threads=options.threads), options.json)


if __name__ == "__main__":
    main()
