"""One contig, several names: ``chr20`` and ``20``; ``chrM``, ``M``, ``MT`` and ``chrMT``; and the
accessions of RefSeq and GenBank."""

from __future__ import annotations

from collections.abc import Iterable

from gas.annotate import assemblies
from gas.annotate.pack import Pack

_MITOCHONDRION = frozenset({"M", "MT"})
_REMEMBERED = 10_000


class ContigNames:
    """From the names in an input to those of the reference. The exact name wins.

    ``build``: the assembly of the reference, where it is known: an accession of another one is no
    contig of it.
    """

    def __init__(self, reference: Iterable[str], build: str | None = None) -> None:
        names = list(reference)
        self._build = build
        self._known: dict[bytes, str | None] = {}
        self._chromosomes: dict[str, str] = {}
        for name in names:
            for alias in _aliases(name):
                self._known.setdefault(alias.encode(), name)
            chromosome = assemblies.chromosome(name)
            if chromosome is not None:
                self._chromosomes.setdefault(chromosome, name)
        for name in names:
            self._known[name.encode()] = name
        self._accessions: dict[bytes, str | None] = {}

    @classmethod
    def of(cls, pack: Pack) -> ContigNames:
        """The names that a pack's contigs go by."""
        return cls(pack.contigs, assemblies.named(pack.assembly) or assemblies.named(pack.name))

    def get(self, name: bytes) -> str | None:
        """The reference's name of the input's contig ``name``; None where it has none."""
        known = self._known.get(name)
        return known if known is not None else self._by_accession(name)

    def _by_accession(self, name: bytes) -> str | None:
        if name not in self._accessions:
            if len(self._accessions) > _REMEMBERED:
                self._accessions.clear()
            self._accessions[name] = self._look_up(name.decode("utf-8", "replace"))
        return self._accessions[name]

    def _look_up(self, name: str) -> str | None:
        build = assemblies.accession_build(name)
        if build is not None and self._build is not None and build != self._build:
            return None
        return self._chromosomes.get(assemblies.chromosome(name) or "")


def _aliases(name: str) -> list[str]:
    bare = name[3:] if name.lower().startswith("chr") else name
    bares = sorted(_MITOCHONDRION) if bare in _MITOCHONDRION else [bare]
    return [form for each in bares for form in (each, f"chr{each}")]
