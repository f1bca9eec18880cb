"""Results of cells in one committed file, so that a report can be checked and extended anywhere."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from apa.priors.folder import write_atomically

ARCHIVE = Path("benchmarks/results/alignment_cells.jsonl.xz")
"""A line for each: [name in the cache, result]."""

Results = Mapping[str, dict[str, Any]]


@cache
def read_archive(path: Path) -> Results:
    """The results by name; none where there is no file. Read once in a process."""
    if not path.is_file():
        return {}
    with lzma.open(path, "rt") as lines:
        return dict(json.loads(line) for line in lines)


def write_archive(path: Path, results: Results) -> None:
    """In the order of names, so that the same results are the same bytes."""
    lines = (json.dumps([name, results[name]], separators=(",", ":")) for name in sorted(results))
    write_atomically(path, lzma.compress("".join(f"{line}\n" for line in lines).encode(), preset=9))
    read_archive.cache_clear()
