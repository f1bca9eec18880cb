"""Cells on disk, one JSON file each, so that a report can be stopped and gone on with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apa.priors.folder import write_atomically
from benchmarks.alignment.cell import Cell

DEFAULT_CACHE = Path.home() / ".cache" / "active-preference-alignment" / "alignment"


@dataclass(frozen=True)
class Cache:
    """A folder of results; a cell whose settings have changed is not found any more."""

    folder: Path = DEFAULT_CACHE

    def get(self, cell: Cell) -> dict[str, Any] | None:
        return _read(self._of(cell))

    def put(self, cell: Cell, result: dict[str, Any]) -> None:
        _write(self._of(cell), result)

    def operations(self, cell: Cell) -> float | None:
        """Counted for this cell's task and method, once for all of its tastes."""
        found = _read(self._operations_of(cell))
        return None if found is None else float(found["operations"])

    def put_operations(self, cell: Cell, result: dict[str, Any]) -> None:
        _write(self._operations_of(cell), result)

    def mean_seconds(self) -> dict[tuple[str, str], float]:
        """Of every task and method with cells, whatever their settings."""
        found: dict[tuple[str, str], list[float]] = {}
        for path in self.folder.glob("*/*/*.json"):
            result = _read(path)
            if result is not None and "rounds" in result:
                spent = sum(each["seconds"] for each in result["rounds"])
                found.setdefault((result["task"], result["method"]), []).append(spent)
        return {named: sum(seconds) / len(seconds) for named, seconds in found.items()}

    def _of(self, cell: Cell) -> Path:
        name = f"{cell.rarity:g}-{cell.flip:g}-{cell.taste}-{cell.seed}-{cell.key()}.json"
        return self.folder / _plain(cell.task) / _plain(cell.method) / name

    def _operations_of(self, cell: Cell) -> Path:
        key = Cell(cell.task, 0.0, 0.0, 0, 0, cell.method).key()
        return self.folder / _plain(cell.task) / _plain(cell.method) / f"operations-{key}.json"


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def _write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(result).encode())
