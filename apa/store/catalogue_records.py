"""An item as the store keeps it: packed, so that a hundred thousand are read without looking at each.

1 byte   schema version, "1"
1 byte   state: "s" in stock, "o" out of stock, "d" deleted
4 bytes  D, little-endian; 0 for an item of a folder of which only the deletion is kept
4 D      the vector, float32, little-endian
rest     title and attributes, as JSON
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apa.errors import DataLoss
from apa.records.catalogue import Entries

HEADER = struct.Struct("<ccI")
VERSION = b"1"
IN_STOCK, OUT_OF_STOCK, DELETED = b"s", b"o", b"d"
LENGTHS = struct.Struct("<II")
"""Of an id and a record, before both, where several items are one argument or one reply."""
BARE_DELETION = HEADER.pack(VERSION, DELETED, 0)


@dataclass(frozen=True)
class StoredItems:
    """M items as they were found, with different ids.

    Attributes:
        displays: of each, title and attributes as JSON; b"" where only the deletion is kept.
        vectors: (M, D) float32; zeros where only the deletion is kept.
        in_stock, deleted, bare: (M,); bare where only the deletion is kept.
    """

    item_ids: Sequence[str]
    displays: Sequence[bytes]
    vectors: NDArray[np.float32]
    in_stock: NDArray[np.bool_]
    deleted: NDArray[np.bool_]
    bare: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.item_ids)


def packed(entries: Entries) -> list[bytes]:
    num_dims = entries.vectors.shape[1]
    size = 4 * num_dims
    raw = entries.vectors.astype("<f4").tobytes()
    states = [IN_STOCK if there else OUT_OF_STOCK for there in entries.in_stock.tolist()]
    heads = {state: HEADER.pack(VERSION, state, num_dims) for state in (IN_STOCK, OUT_OF_STOCK)}
    return [
        heads[state] + raw[place * size : (place + 1) * size] + display
        for place, (state, display) in enumerate(zip(states, entries.displays, strict=True))
    ]


def joined(item_ids: Sequence[str], records: Sequence[bytes]) -> bytes:
    """Items as one argument."""
    parts: list[bytes] = []
    for item_id, record in zip(item_ids, records, strict=True):
        name = item_id.encode()
        parts += (LENGTHS.pack(len(name), len(record)), name, record)
    return b"".join(parts)


def parted(items: bytes) -> tuple[list[str], list[bytes]]:
    """The ids and records of a reply."""
    item_ids, records, at = [], [], 0
    while at < len(items):
        id_length, length = LENGTHS.unpack_from(items, at)
        start = at + LENGTHS.size
        at = start + id_length + length
        item_ids.append(items[start : start + id_length].decode())
        records.append(items[start + id_length : at])
    return item_ids, records


def unpacked(item_ids: Sequence[str], records: Sequence[bytes], num_dims: int) -> StoredItems:
    """Those whose vectors have `num_dims` numbers; others are of another prior of this name, and left out.

    Raises:
        DataLoss: a record is none of ours.
    """
    end = HEADER.size + 4 * num_dims
    full, none = HEADER.pack(VERSION, b"?", num_dims)[2:], BARE_DELETION[2:]
    heads = [record[: HEADER.size] for record in records]
    kept = [place for place, head in enumerate(heads) if head[2:] in (full, none)]
    if any(head[:1] != VERSION for head in heads):
        place = next(place for place, head in enumerate(heads) if head[:1] != VERSION)
        raise DataLoss(
            "a stored item cannot be read",
            field="item_id",
            expected=f"schema version {VERSION.decode()}",
            found=f"{item_ids[place]}: {heads[place][:1]!r}",
        )
    states = np.array([heads[place][1:2] for place in kept], dtype="S1")
    bare = np.array([heads[place][2:] == none for place in kept], dtype=np.bool_)
    filler = bytes(4 * num_dims)
    raw = b"".join(records[place][HEADER.size : end] or filler for place in kept)
    return StoredItems(
        item_ids=[item_ids[place] for place in kept],
        displays=[records[place][end:] for place in kept],
        vectors=np.frombuffer(raw, dtype="<f4").reshape(len(kept), num_dims).astype(np.float32),
        in_stock=states == IN_STOCK,
        deleted=states == DELETED,
        bare=bare,
    )
