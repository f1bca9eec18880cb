"""Cells on disk, one JSON file each beside the archive, so that a report can be stopped and gone on with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apa.priors.folder import write_atomically
from benchmarks.alignment.archive import Results, read_archive, write_archive
from benchmarks.alignment.cell import Cell

DEFAULT_CACHE = Path.home() / ".cache" / "active-preference-alignment" / "alignment"


@dataclass(frozen=True)
class Cache:
    """A folder of results over an archive; a cell whose settings have changed is not found any more."""

    folder: Path = DEFAULT_CACHE
    archive: Path | None = None

    def get(self, cell: Cell) -> dict[str, Any] | None:
        return self._read(_name(cell))

    def put(self, cell: Cell, result: dict[str, Any]) -> None:
        self._write(_name(cell), result)

    def operations(self, cell: Cell) -> float | None:
        """Counted for this cell's task and method, once for all of its tastes."""
        found = self._read(_name_of_operations(cell))
        return None if found is None else float(found["operations"])

    def put_operations(self, cell: Cell, result: dict[str, Any]) -> None:
        self._write(_name_of_operations(cell), result)

    def keep(self, cells: Sequence[Cell]) -> int:
        """Writes what there is of these cells into the archive, and drops what it held of older ones.

        Returns:
            How many results it holds then.
        """
        assert self.archive is not None, "there is no archive to keep them in"
        names = {name for cell in cells for name in (_name(cell), _name_of_operations(cell))}
        replaced = {_without_key(name) for name in names}
        found = {name: self._read(name) for name in names}
        results = {
            name: result for name, result in self._archived().items() if _without_key(name) not in replaced
        } | {name: result for name, result in found.items() if result is not None}
        write_archive(self.archive, results)
        return len(results)

    def mean_seconds(self) -> dict[tuple[str, str], float]:
        """Of every task and method with cells, whatever their settings."""
        found: dict[tuple[str, str], list[float]] = {}
        own = (json.loads(path.read_text()) for path in self.folder.glob("*/*/*.json"))
        for result in (*own, *self._archived().values()):
            if "rounds" in result:
                spent = sum(each["seconds"] for each in result["rounds"])
                found.setdefault((result["task"], result["method"]), []).append(spent)
        return {named: sum(seconds) / len(seconds) for named, seconds in found.items()}

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        if not path.is_file():
            return self._archived().get(name)
        result: dict[str, Any] = json.loads(path.read_text())
        return result

    def _write(self, name: str, result: dict[str, Any]) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(result).encode())

    def _archived(self) -> Results:
        return {} if self.archive is None else read_archive(self.archive)


def _name(cell: Cell) -> str:
    return _named(cell, f"{cell.rarity:g}-{cell.flip:g}-{cell.taste}-{cell.seed}", cell.key())


def _name_of_operations(cell: Cell) -> str:
    return _named(cell, "operations", Cell(cell.task, 0.0, 0.0, 0, 0, cell.method).key())


def _named(cell: Cell, what: str, key: str) -> str:
    return f"{_plain(cell.task)}/{_plain(cell.method)}/{what}-{key}.json"


def _without_key(name: str) -> str:
    return name.rpartition("-")[0]


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
