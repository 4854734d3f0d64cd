"""A reference pack: a folder with a genome, its gene models and a manifest that says what they are.

    PACK/
      manifest.json      what this is; sha256 and size of every other file
      genome.fa.gz       BGZF, with genome.fa.gz.fai and genome.fa.gz.gzi
      genes.gff3.gz      gene models

Packs are made, installed and checked by ``gas.reference``; this module only opens them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

from gas.errors import PackError

MANIFEST = "manifest.json"
MITOCHONDRIAL_NAMES = frozenset({"M", "MT", "chrM", "chrMT"})


@dataclass(frozen=True)
class Pack:
    """An opened reference pack. ``contigs`` maps a name to its length in bases."""

    name: str
    path: Path
    assembly: str
    version: str
    contigs: Mapping[str, int]
    #: sha256 of the manifest: one short name for exactly these files.
    digest: str
    manifest: Mapping[str, object] = field(repr=False)
    #: Where to keep what is compiled from it, if its own folder cannot be written to.
    cache: Path | None = field(default=None, compare=False)

    @property
    def fasta(self) -> Path:
        return self.path / "genome.fa.gz"

    @property
    def gff(self) -> Path:
        return self.path / "genes.gff3.gz"

    def genetic_code(self, contig: str) -> int:
        """NCBI's number of the genetic code of a contig: as the manifest says, else vertebrate
        mitochondrial (2) for a contig named like the mitochondrion, else the standard one (1)."""
        return self._codes.get(contig, 1)

    @cached_property
    def _codes(self) -> dict[str, int]:
        codes = {name: 2 for name in self.contigs if name in MITOCHONDRIAL_NAMES}
        contigs = cast(list[dict[str, object]], self.manifest["contigs"])
        codes |= {
            str(c["name"]): int(str(c["genetic_code"])) for c in contigs if "genetic_code" in c
        }
        return codes

    @classmethod
    def open(cls, path: Path, cache: Path | None = None) -> Pack:
        """Open the pack in folder ``path``. Raises PackError where it is none."""
        try:
            text = (path / MANIFEST).read_bytes()
            manifest = json.loads(text)
            contigs = {str(c["name"]): int(c["length"]) for c in manifest["contigs"]}
            return cls(
                name=str(manifest["name"]),
                path=path,
                assembly=str(manifest["assembly"]),
                version=str(manifest["version"]),
                contigs=contigs,
                digest=hashlib.sha256(text).hexdigest(),
                manifest=manifest,
                cache=cache,
            )
        except FileNotFoundError:
            raise PackError(f"{path} holds no reference pack (no {MANIFEST}).") from None
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise PackError(f"The manifest of {path} cannot be read: {error}.") from error
