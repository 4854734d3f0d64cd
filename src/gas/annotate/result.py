"""The result of a run: pieces in order become BGZF with its index, a summary and the findings.

Everything is written into a private folder beside the target, then renamed: nothing half-written is
ever seen under the target's name, and nothing is left after an error.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gas import __version__
from gas.annotate import bgzf
from gas.annotate.engines import Engine
from gas.annotate.fit import WARN_KEY
from gas.annotate.header import Keys
from gas.annotate.index import Index
from gas.annotate.intake import REJECTED_HEADER, rejected_line
from gas.annotate.pack import Pack
from gas.annotate.piece import Piece
from gas.annotate.summary import Summary
from gas.annotate.vcf import Order
from gas.errors import GasError, TransientError

FINDINGS, REJECTED = "findings.json", "rejected.tsv"
#: What of the findings does not go into the summary.
_LONG = ("findings", "unlisted", "notes")
_VCF_ENDING = re.compile(r"(\.vcf)?(\.b?gz)?$")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


@dataclass(frozen=True)
class Report:
    """What a run made. ``index`` is the .tbi, or the .csi where a position needs it; ``findings``
    what the gate had to say, for machines; ``rejected`` the list of the lines that were passed
    through for a fault of theirs, None where there are none."""

    output: Path
    index: Path
    summary: Summary
    notes: list[str]
    engine: str
    engine_version: str
    keys: Keys
    reference: Pack
    findings: Path
    rejected: Path | None
    intake: dict[str, object]

    def to_json(self) -> dict[str, object]:
        """Plain values in a stable order; the counts are those of ``Summary.to_json``."""
        return {
            "gas_version": __version__,
            "engine": {"name": self.engine, "version": self.engine_version},
            "reference": {
                "name": self.reference.name,
                "assembly": self.reference.assembly,
                "version": self.reference.version,
                "digest": f"sha256:{self.reference.digest}",
            },
            "info_key": self.keys.engine_as,
            "notes": self.notes,
            "intake": self.intake,
            **self.summary.to_json(),
        }


class KeyTaken(Exception):
    """A record has keys of ours that the header does not declare."""

    def __init__(self, keys: frozenset[str]) -> None:
        self.keys = keys


class Rejects:
    """``rejected.tsv`` while it is written. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / REJECTED).open("wb")
        self._file.write(REJECTED_HEADER)
        self.count = 0

    def add(self, line: int, reason: str) -> None:
        self.count += 1
        self._file.write(rejected_line(line, reason))

    def __enter__(self) -> Rejects:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Body:
    """Header and records of a result in the private ``folder``, and what they add up to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "part.vcf.gz"
        self.summary = Summary()
        self.index: Path | None = None

    def write(
        self,
        header: bytes,
        pieces: Iterable[Piece],
        tell_rejected: Callable[[int, str], None],
        check_cancelled: Callable[[], None],
    ) -> None:
        """Raises KeyTaken, or Unsorted where positions decrease or a contig comes back."""
        order, index = Order(), Index()
        with self.path.open("wb") as out:
            out.write(bgzf.compress(header))
            for piece in pieces:
                check_cancelled()
                if piece.taken:
                    raise KeyTaken(piece.taken)
                order.add(piece.spans)
                for place, part in piece.index:
                    index.add(part, out.tell() + place)
                for line, why in piece.rejected:
                    tell_rejected(line, why)
                out.write(piece.blocks)
                self.summary.merge(piece.summary)
            out.write(bgzf.EOF)
        self.index = self.path.with_name(self.path.name + index.suffix)
        self.index.write_bytes(index.to_bytes())


def publish(
    body: Body,
    output: Path,
    beside: str,
    findings: Mapping[str, object],
    *,
    engine: Engine,
    keys: Keys,
    pack: Pack,
    rejected: int,
    is_sorted: bool = False,
) -> Report:
    """Put the result in its place. ``findings``: what the gate found, as ``Result.as_dict``;
    ``rejected``: how many lines ``rejected.tsv`` lists."""
    notes = _notes(body.summary, keys, is_sorted=is_sorted, rejected=rejected)
    found = {**findings, "rejected": rejected, "sorted": is_sorted}
    (body.folder / FINDINGS).write_text(json.dumps({"notes": notes, **found}, indent=1) + "\n")
    made = _rename(body, output, beside, rejected)
    return Report(
        output=output,
        index=made.index,
        summary=body.summary,
        notes=notes,
        engine=engine.name,
        engine_version=engine.version(),
        keys=keys,
        reference=pack,
        findings=made.findings,
        rejected=made.rejected,
        intake={key: value for key, value in found.items() if key not in _LONG},
    )


@dataclass(frozen=True)
class _Made:
    index: Path
    findings: Path
    rejected: Path | None


def _rename(body: Body, output: Path, beside: str, rejected: int) -> _Made:
    """What belongs to the result first, so that it is never seen without."""
    assert body.index is not None
    final_index = output.with_name(output.name + body.index.suffix)
    findings, rejects = (output.with_name(beside + name) for name in (FINDINGS, REJECTED))
    made = [(body.index, final_index), (body.folder / FINDINGS, findings)]
    if rejected:
        made.append((body.folder / REJECTED, rejects))
    try:
        for source, target in [*made, (body.path, output)]:
            source.replace(target)
    except OSError:
        for _, target in made:
            with suppress(OSError):
                target.unlink()
        raise
    for stale in {".tbi", ".csi"} - {body.index.suffix}:
        output.with_name(output.name + stale).unlink(missing_ok=True)
    if not rejected:
        rejects.unlink(missing_ok=True)
    return _Made(final_index, findings, rejects if rejected else None)


def _notes(summary: Summary, keys: Keys, *, is_sorted: bool, rejected: int) -> list[str]:
    notes = []
    if is_sorted:
        notes.append("The input was not in order: GAS sorted it by contig and position.")
    if rejected:
        notes.append(
            f"{rejected:,} line{' is' if rejected == 1 else 's are'} in the result as "
            "they came, without annotation: they cannot be read as records."
        )
    if not summary.records:
        notes.append("The file holds a header and no records.")
    for ours, used in ((keys.engine, keys.engine_as), (WARN_KEY, keys.warn_as)):
        if ours != used:
            notes.append(f"The input has the INFO key {ours}; GAS wrote its own as {used}.")
    if keys.omitted:
        notes.append(
            f"The input has {', '.join(sorted(keys.omitted))} already: its own values stay."
        )
    return notes


def stem(output: Path) -> str:
    """What the names of the files beside ``output`` begin with, unless it is given."""
    return _VCF_ENDING.sub("", output.name) + "."


@contextmanager
def private_folder(output: Path) -> Iterator[Path]:
    """A folder beside the output, on the same disk, so that renaming is atomic."""
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name[:100]}.", dir=output.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def disk_errors(output: Path) -> Iterator[None]:
    """Raises TransientError where the disk is full within, GasError where it refuses otherwise."""
    try:
        yield
    except GasError:
        raise
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise TransientError(
                f"The disk has no room for the result ({error.strerror}).",
                hint="Free some space and try again.",
            ) from error
        raise GasError(
            f"{output} could not be written ({error.strerror or error}).",
            hint="Check that its folder exists and may be written to.",
        ) from error
