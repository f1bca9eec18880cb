"""python -m benchmarks engine|exactness [--json FILE] [--quick] [--threads N]"""

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
    parser.add_argument("--only", choices=("closed", "learned"), help="one half of exactness")
    parser.add_argument("--draws", type=int, help="of each learned prior, at most; a whole chunk at least")
    parser.add_argument("--cache", type=Path, help="where those draws are kept, to go on with")
    options = parser.parse_args()
    run: Callable[[Scale, Path | None], None] = import_module(f"benchmarks.{options.name}").run
    scale = Scale(options.quick, options.threads, options.only, options.draws, options.cache)
    run(scale, options.json)


if __name__ == "__main__":
    main()
