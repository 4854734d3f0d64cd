"""Compiled files that are mapped, not read: the gene model and the allele sources.

    8 bytes magic | 8 bytes length of the head, little-endian | the head, as JSON | arrays

The pages are shared by all processes that map the file. What a long run touches is given back now
and then, so that it does not hold the whole file resident.
"""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

#: Bytes of pages that a process touches before it gives them back.
_RELEASE_BYTES = 64 << 20


class MappedFile:
    """``map``: the file; ``head``: what it says of itself."""

    def __init__(self, path: Path, magic: bytes) -> None:
        """Raises OSError, or ValueError where the file is of another version or no such file."""
        with path.open("rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self.map[:8] != magic:
            raise ValueError("it is of another version")
        length = int.from_bytes(self.map[8:16], "little")
        self.head: dict[str, Any] = json.loads(self.map[16 : 16 + length])
        self._touched = 0

    def touched(self, size_bytes: int) -> None:
        """Tell that about so many bytes of pages were touched since the last call."""
        self._touched += size_bytes
        if self._touched > _RELEASE_BYTES:
            self._touched = 0
            self.map.madvise(mmap.MADV_DONTNEED)
