"""The gate of a run: every slice passes it once, in the input's order, on its way to the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from gas.annotate.builds import Reference
from gas.annotate.intake import Intake, Result
from gas.annotate.pack import Pack
from gas.annotate.vcf import Slice, VcfFile

if TYPE_CHECKING:
    from gas.annotate.genome import Genome

#: The build check asks for a base here and there.
_WINDOW_BASES = 1 << 13


class Gate:
    """Validator and build check for one run over ``source``. A context manager."""

    def __init__(
        self, source: VcfFile, pack: Pack, offers: Sequence[str], *, check_build: bool
    ) -> None:
        """``offers``: references, for who chose the wrong one. Without ``check_build`` the only
        evidence against a reference is that no contig is in common."""
        self._source = source
        self._pack = pack
        self._check_build = check_build
        self._genome: Genome | None = None
        self._open = ExitStack()
        reference = Reference(pack.name, pack.assembly, pack.contigs, self._bases)
        self._intake = Intake(source, reference, offers, check_build=check_build)

    def slices(self) -> Iterator[Slice]:
        """The source's slices with the records that must not be annotated. Raises InputError where
        the file is refused; the build as soon as there is no doubt."""
        due = 1
        for number, piece in enumerate(self._source.slices(), 1):
            rejected = self._intake.take(piece)
            if number == due:
                due *= 2
                self._intake.check_early()
            yield replace(piece, rejected=rejected) if rejected else piece

    @property
    def in_order(self) -> bool:
        """False once a slice had records that are surely not in order."""
        return self._intake.in_order

    def finish(self) -> Result:
        """After the last slice. Raises InputError where the file is of another assembly."""
        return self._intake.finish()

    def _bases(self, contig: str, start0: int, end: int) -> bytes:
        if not self._check_build:
            return b""
        if self._genome is None:
            from gas.annotate.genome import Genome  # with pysam, which takes its time

            self._genome = self._open.enter_context(Genome(self._pack.fasta, _WINDOW_BASES))
        return self._genome.bases(contig, start0, end)

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
