"""python -m benchmarks engine [--json FILE] [--quick]"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.report import Row, Scale, report

NAMES = ("engine",)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", type=Path, help="also write the report there")
    parser.add_argument("--quick", action="store_true", help="under a minute, with wider spreads")
    parser.add_argument("--threads", type=int, default=1, help="threads of one tensor operation")
    options = parser.parse_args()
    measure: Callable[[Scale], list[Row]] = import_module(f"benchmarks.{options.name}").measure
    report(options.name, measure, Scale(quick=options.quick, threads=options.threads), options.json)


if __name__ == "__main__":
    main()
