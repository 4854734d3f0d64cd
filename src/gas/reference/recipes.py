"""Public references by name: where their files are, and how a pack is made of them.

A recipe is data: one with genes makes a pack out of a FASTA and a GFF3, one without adds an allele
source to a pack that is there. Contigs that go by RefSeq accessions are renamed by
``gas.annotate.assemblies`` (NC_000020.11 → chr20). docs/references.md says which of the addresses
were found where.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gas.annotate import assemblies
from gas.annotate.pack import Pack
from gas.annotate.sources_compile import Compiled
from gas.errors import PackError
from gas.reference.add_source import add_source
from gas.reference.build import Built, build
from gas.reference.fetch import Fetched, Progress, Remote, fetch

_ENSEMBL = "https://ftp.ensembl.org/pub/release-115"
_NCBI = "https://ftp.ncbi.nlm.nih.gov"
_GENCODE = "https://ftp.ebi.ac.uk/pub/databases/gencode/Gencode_human/release_19"
_REFSEQ = f"{_NCBI}/genomes/all/GCF/000/001/405/GCF_000001405.40_GRCh38.p14"
_MANE = f"{_NCBI}/refseq/MANE/MANE_human/release_1.5"
_GNOMAD = "https://storage.googleapis.com/gcp-public-data--gnomad/release"


@dataclass(frozen=True)
class Recipe:
    """``genes``: None for an allele source. ``files``: the genome, or the source's files.
    ``size_gb``: of the download, about."""

    name: str
    about: str
    assembly: str
    version: str
    licence: str
    size_gb: float
    files: tuple[Remote, ...]
    genes: Remote | None = None
    #: Of a source: its name within the pack.
    source: str = ""
    #: Whether contigs that go by RefSeq's accessions are to be named as chromosomes.
    renames: bool = False

    def at(self, mirror: str) -> Recipe:
        """The same recipe, its files on a mirror (``Remote.at``); itself where ``mirror`` is ""."""
        if not mirror:
            return self
        genes = self.genes.at(mirror) if self.genes is not None else None
        return replace(self, files=tuple(file.at(mirror) for file in self.files), genes=genes)


def _ensembl(folder: str, name: str) -> Remote:
    return Remote(f"{_ENSEMBL}/{folder}/{name}", f"{_ENSEMBL}/{folder}/CHECKSUMS")


def _clinvar(assembly: str) -> Recipe:
    url = f"{_NCBI}/pub/clinvar/vcf_{assembly}/clinvar.vcf.gz"
    return Recipe(
        f"clinvar-{assembly.lower()}", "ClinVar, the newest week", assembly, "latest",
        "public domain (NCBI)", 0.2, (Remote(url, f"{url}.md5"),), source="clinvar",
    )  # fmt: skip


def _dbsnp(assembly: str, accession: str) -> Recipe:
    url = f"{_NCBI}/snp/latest_release/VCF/{accession}.gz"
    return Recipe(
        f"dbsnp-{assembly.lower()}", "dbSNP, the newest build", assembly, "latest",
        "public domain (NCBI)", 28, (Remote(url, f"{url}.md5"),), source="dbsnp",
    )  # fmt: skip


_ALL = (
    Recipe(
        "grch38-ensembl", "Ensembl 115 genes on GRCh38", "GRCh38", "115",
        "Ensembl: no restrictions", 1.0,
        (_ensembl("fasta/homo_sapiens/dna", "Homo_sapiens.GRCh38.dna.primary_assembly.fa.gz"),),
        _ensembl("gff3/homo_sapiens", "Homo_sapiens.GRCh38.115.gff3.gz"),
    ),
    Recipe(
        "grch38-mane-refseq", "MANE 1.5 transcripts of RefSeq on GRCh38", "GRCh38", "1.5",
        "public domain (NCBI)", 1.0,
        (Remote(f"{_REFSEQ}/GCF_000001405.40_GRCh38.p14_genomic.fna.gz",
                f"{_REFSEQ}/md5checksums.txt"),),
        Remote(f"{_MANE}/MANE.GRCh38.v1.5.refseq_genomic.gff.gz"),
        renames=True,
    ),
    Recipe(
        "grch37-gencode19", "GENCODE 19 genes on GRCh37", "GRCh37", "19",
        "GENCODE: open access", 0.8,
        (Remote(f"{_GENCODE}/GRCh37.p13.genome.fa.gz", f"{_GENCODE}/MD5SUMS"),),
        Remote(f"{_GENCODE}/gencode.v19.annotation.gff3.gz", f"{_GENCODE}/MD5SUMS"),
    ),
    _clinvar("GRCh37"),
    _clinvar("GRCh38"),
    _dbsnp("GRCh37", "GCF_000001405.25"),
    _dbsnp("GRCh38", "GCF_000001405.40"),
    Recipe(
        "gnomad-grch37", "gnomAD 2.1.1 exomes", "GRCh37", "2.1.1", "gnomAD's terms of use", 60,
        (Remote(f"{_GNOMAD}/2.1.1/vcf/exomes/gnomad.exomes.r2.1.1.sites.vcf.bgz"),),
        source="gnomad",
    ),
    Recipe(
        "gnomad-grch38", "gnomAD 4.1 exomes", "GRCh38", "4.1", "gnomAD's terms of use", 200,
        tuple(Remote(f"{_GNOMAD}/4.1/vcf/exomes/gnomad.exomes.v4.1.sites.chr{c}.vcf.bgz")
              for c in (*range(1, 23), "X", "Y")),
        source="gnomad",
    ),
)  # fmt: skip
RECIPES = {recipe.name: recipe for recipe in _ALL}


def install_genome(
    recipe: Recipe,
    folder: Path,
    progress: Progress = lambda done, total: None,
    *,
    replace_existing: bool = False,
) -> Built:
    """Download and build the pack ``recipe.name`` in ``folder``. Raises PackError, TransientError;
    what was downloaded is kept then for the next try, and removed when all went well."""
    if recipe.genes is None:
        raise PackError(f"{recipe.name} is an allele source.", hint="Name a reference for it.")
    if (folder / recipe.name).exists() and not replace_existing:
        raise PackError(f"There is a reference {recipe.name} already.", hint="Use --force.")
    store = _store(folder, recipe)
    genome = [fetch(remote, store, progress) for remote in recipe.files]
    genes = fetch(recipe.genes, store, progress)
    built = build(
        recipe.name,
        [file.path for file in genome],
        [genes.path],
        folder,
        assembly=recipe.assembly,
        version=recipe.version,
        source=f"{recipe.about}; {recipe.licence}",
        replace_existing=replace_existing,
        rename=_name if recipe.renames else None,
    )
    shutil.rmtree(store)
    return Built(built.pack, [*_unchecked([*genome, genes]), *built.notes])


def install_source(
    recipe: Recipe,
    pack: Pack,
    folder: Path,
    progress: Progress = lambda done, total: None,
) -> tuple[Compiled, list[str]]:
    """Download the source and add it to ``pack``; what came of it, and notes for a person. Raises
    as ``install_genome``, and PackError where the pack is of another assembly."""
    if assemblies.named(pack.assembly) != recipe.assembly:
        raise PackError(
            f"{recipe.name} is of {recipe.assembly}, {pack.name} of {pack.assembly}.",
            hint="Choose the recipe of the same assembly.",
        )
    store = _store(folder, recipe)
    files = [fetch(remote, store, progress) for remote in recipe.files]
    added = add_source(pack, recipe.source, [file.path for file in files])
    shutil.rmtree(store)
    return added, _unchecked(files)


def _unchecked(files: Sequence[Fetched]) -> list[str]:
    names = [file.path.name for file in files if not file.checked]
    return [f"No checksum of its publisher is known for {', '.join(names)}."] if names else []


def _store(folder: Path, recipe: Recipe) -> Path:
    store = folder / ".downloads" / recipe.name
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PackError(f"{folder} cannot be written to ({error.strerror}).") from None
    return store


def _name(contig: str) -> str:
    """``chr20`` for an accession of chromosome 20; what is no accession stays."""
    found = assemblies.accessions().get(contig)
    return contig if found is None else f"chr{'M' if found[1] == assemblies.MT else found[1]}"
