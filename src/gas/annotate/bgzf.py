"""BGZF, the blocked gzip of the SAM specification, section 4.1: gzip members of at most 64 KiB that
carry their own size, so that an index can point into the file.

Compression is libdeflate's, which gives the same bytes for the same text in every process. (isal is
twice as fast, and gives other bytes for one block of some ten thousand, which differ from process
to process; it reads files here, and writes what nobody compares.) Blocks are cut by the text alone,
so the same slices give the same bytes whoever compresses them.
"""

from __future__ import annotations

import struct
import zlib

import deflate

#: The empty block that ends every complete file.
EOF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

#: Uncompressed bytes per block, as in htslib.
BLOCK_BYTES = 0xFF00
_HEADER = struct.Struct("<4BI2BH2B2H")
_FOOTER = struct.Struct("<2I")
_MAX_BLOCK_BYTES = 0x10000
_LEVEL = 1


def is_bgzf(head: bytes) -> bool:
    """Whether a file that starts with ``head`` (at least 18 bytes) is BGZF."""
    return head[:4] == b"\x1f\x8b\x08\x04" and head[12:14] == b"BC"


def compress(text: bytes) -> bytes:
    """``text`` as whole BGZF blocks, without the closing empty one."""
    return b"".join(blocks(text))


def blocks(text: bytes) -> list[bytes]:
    """The same, block by block; each but the last holds ``BLOCK_BYTES`` of text."""
    view = memoryview(text)
    return [_block(view[start : start + BLOCK_BYTES]) for start in range(0, len(text), BLOCK_BYTES)]


def _block(text: memoryview) -> bytes:
    body = bytes(deflate.deflate_compress(text, _LEVEL))
    size = _HEADER.size + len(body) + _FOOTER.size
    if size > _MAX_BLOCK_BYTES:  # incompressible: stored as it is
        store = zlib.compressobj(0, zlib.DEFLATED, -15)
        body = store.compress(text) + store.flush()
        size = _HEADER.size + len(body) + _FOOTER.size
    head = _HEADER.pack(0x1F, 0x8B, 8, 4, 0, 0, 0xFF, 6, 66, 67, 2, size - 1)
    return head + body + _FOOTER.pack(deflate.crc32(text), len(text))
