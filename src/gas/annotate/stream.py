"""Reading a file that a stranger gave us: plain, gzip or BGZF, by its first bytes, in pieces of a
size that the caller sets, with caps that hold before any parser sees a byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from isal import igzip, isal_zlib

from gas.annotate import bgzf
from gas.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"
_AGAIN = "Upload it again, or compress it anew."


@dataclass(frozen=True)
class Limits:
    """Caps on what one input may cost. Sizes in bytes."""

    uncompressed_bytes: int = 1 << 40
    #: Uncompressed per compressed byte, held from ``ratio_from_bytes`` uncompressed bytes on.
    #: Deflate cannot exceed 1032; the widest real call sets stay below 200.
    ratio: int = 500
    ratio_from_bytes: int = 64 << 20
    line_bytes: int = 32 << 20
    header_lines: int = 200_000
    header_bytes: int = 64 << 20
    samples: int = 500_000
    #: ALT alleles of one record; a record with more is passed through as it is.
    alts: int = 1_000


class ByteStream:
    """The uncompressed bytes of a file, read once from its start. A context manager."""

    def __init__(self, path: Path, limits: Limits) -> None:
        """Raises InputError where the file cannot be read, is empty, or a BGZF cut short."""
        self._limits = limits
        self._done_bytes = 0
        try:
            self._raw = path.open("rb")
        except OSError as error:
            raise InputError(
                f"{path} cannot be read ({error.strerror}).", hint="Check its name."
            ) from None
        try:
            self.size_bytes = self._raw.seek(0, 2)
            if self.size_bytes == 0:
                raise InputError("The file is empty.", hint="Choose another one.")
            self._raw.seek(0)
            head = self._raw.read(18)
            self._text = self._open(head)
        except BaseException:
            self._raw.close()
            raise

    def _open(self, head: bytes) -> BinaryIO:
        if bgzf.is_bgzf(head):
            self._raw.seek(max(0, self.size_bytes - len(bgzf.EOF)))
            if self._raw.read() != bgzf.EOF:
                raise InputError(
                    "The compressed file was cut short: its closing BGZF block is missing.",
                    hint=_AGAIN,
                )
        self._raw.seek(0)
        self.compressed = head[:2] == _GZIP_MAGIC
        if not self.compressed:
            return self._raw
        return cast(BinaryIO, igzip.IGzipFile(fileobj=self._raw, mode="rb"))  # type: ignore[no-untyped-call]

    @property
    def read_bytes(self) -> int:
        """How many of the file's own bytes were used up so far."""
        return self._raw.tell()

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer only at the end.

        Raises InputError where the compressed data are damaged or a cap is passed.
        """
        pieces = []
        missing = size
        while missing:
            piece = self._read_some(missing)
            if not piece:
                break
            missing -= len(piece)
            self._done_bytes += len(piece)
            self._check_caps()
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_some(self, size: int) -> bytes:
        try:
            return self._text.read(size)
        except EOFError:
            raise InputError(
                "The compressed file was cut short: it ends in the middle of its data.", hint=_AGAIN
            ) from None
        except (igzip.BadGzipFile, isal_zlib.error) as error:  # type: ignore[misc]
            raise InputError(
                f"The compressed file is damaged ({str(error).rstrip('.')}).", hint=_AGAIN
            ) from None

    def _check_caps(self) -> None:
        limits = self._limits
        if self._done_bytes > limits.uncompressed_bytes:
            raise InputError(
                f"The file holds more than {limits.uncompressed_bytes:,} bytes of text.",
                hint="Split it, or ask the operator to raise the limit.",
            )
        if (
            self.compressed
            and self._done_bytes > limits.ratio_from_bytes
            and self._done_bytes > limits.ratio * self.read_bytes
        ):
            raise InputError(
                f"The file expands to more than {limits.ratio} times its size, "
                "which no real VCF does.",
                hint="If it is real, upload it uncompressed or split it.",
            )

    def close(self) -> None:
        self._text.close()
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
