"""Gene models from GFF3: the dialects of Ensembl, GENCODE and RefSeq.

Steps: read the lines into records; tie children to parents (in any order); make a transcript of
every record that has exons or coding sequence below it; check it; name each fault with its line.
What can be told is built; a transcript whose consequences would be wrong is left out.

Rules of the format: Sequence Ontology GFF3 1.26. How names, biotypes and phases are taken from the
dialects follows Ensembl VEP 115 (its --gff source), so that both tools speak of the same thing.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from gas.annotate import codons
from gas.annotate.transcript import Labels
from gas.errors import PackError

_PREFIX = re.compile(r"^(?:gene|transcript|cds|rna)[:-]", re.IGNORECASE)
_VERSIONED = re.compile(r"\.\d+$")
_GENE_TYPES = re.compile(r"gene")
#: Types that are neither genes, transcripts nor parts of one that matter here.
_IGNORED = frozenset(
    {
        *("five_prime_UTR", "three_prime_UTR", "start_codon", "stop_codon", "region"),
        *("chromosome", "biological_region", "match", "cDNA_match", "supercontig", "scaffold"),
        *("stop_codon_redefined_as_selenocysteine", "sequence_feature", "enhancer", "silencer"),
        "promoter",
    }
)
_MITOCHONDRIAL = frozenset({"MT", "M", "chrM", "chrMT", "NC_012920.1"})
_PICKABLE_TAGS = ("cds_start_NF", "cds_end_NF")


@dataclass(frozen=True)
class Fault:
    """Something wrong with the gene models. ``line`` is 1-based; 0: of the file as a whole."""

    line: int
    message: str
    #: True where a transcript was left out because of it.
    left_out: bool

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


@dataclass(slots=True)
class Record:
    """One line of GFF3. Coordinates are 1-based and inclusive."""

    line: int
    contig: str
    type: str
    start: int
    end: int
    strand: str
    phase: str
    attributes: dict[str, str]
    children: list[Record] = field(default_factory=list)
    #: Line of another record of this ID at another place; 0: there is none.
    other_line: int = 0

    @property
    def place(self) -> tuple[str, int, int, str]:
        return self.contig, self.start, self.end, self.strand

    @property
    def id(self) -> str:
        return self.attributes.get("ID", "")

    @property
    def parents(self) -> list[str]:
        return [p for p in self.attributes.get("Parent", "").split(",") if p]


@dataclass(frozen=True)
class GeneModel:
    """A transcript as the file has it: what ``Transcript`` needs, without sequence."""

    line: int
    contig: str
    strand: int
    exons: tuple[tuple[int, int], ...]
    cds: tuple[int, int] | None
    phase: int
    first_exon_phase: int
    table: int
    labels: Labels
    mature: tuple[tuple[int, int], ...] = ()


class _Refused(Exception):
    """This transcript cannot be used; the message says why."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def read_genes(path: Path, contigs: Iterable[str]) -> tuple[list[GeneModel], list[Fault]]:
    """The transcripts of a GFF3 file (plain or gzip) on ``contigs``, sorted by place, and the
    faults found. Raises PackError where the file cannot be read or holds no gene models at all.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(path, "rt", encoding="utf-8") as lines:
            models, faults = parse_genes(lines, contigs)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise PackError(f"The gene models {path.name} cannot be read: {error}.") from error
    if not models:
        raise PackError(
            f"{path.name} holds no gene models for this genome.",
            hint=str(faults[0]) if faults else "Is it GFF3, with the genome's contig names?",
        )
    return models, faults


def parse_genes(
    lines: Iterable[str], contigs: Iterable[str]
) -> tuple[list[GeneModel], list[Fault]]:
    """As ``read_genes``, from lines of text."""
    faults: list[Fault] = []
    records = list(_parse_lines(lines, faults))
    known = set(contigs)
    for contig in sorted({r.contig for r in records} - known):
        line = next(r.line for r in records if r.contig == contig)
        faults.append(Fault(line, f'the genome has no contig "{contig}": left out', True))
    by_id = _tie(records, faults)
    models: list[GeneModel] = []
    seen: dict[str, int] = {}
    for record in records:
        if record.contig not in known or not _has_parts(record):
            continue
        gene = next((by_id[p] for p in record.parents if p in by_id), None)
        if gene is None and _GENE_TYPES.search(record.type) and record.type != "pseudogene":
            gene = record
        try:
            model = _build(record, gene, faults)
        except _Refused as refused:
            what = record.attributes.get("transcript_id") or record.id or record.type
            line = refused.line or record.line
            faults.append(Fault(line, f"{what} left out: {refused}", True))
            continue
        name = model.labels.feature
        if name in seen:
            faults.append(
                Fault(record.line, f"{name} left out: line {seen[name]} has this id", True)
            )
            continue
        seen[name] = record.line
        models.append(model)
    models.sort(key=lambda m: (m.contig, m.exons[0][0], m.exons[-1][1], m.line))
    return models, sorted(faults, key=lambda f: f.line)


# -- lines ----------------------------------------------------------------------------------------


def _parse_lines(lines: Iterable[str], faults: list[Fault]) -> Iterator[Record]:
    for number, text in enumerate(lines, 1):
        if text.startswith("##FASTA"):
            return
        if text.startswith("#") or not text.strip():
            continue
        cells = text.rstrip("\r\n").split("\t")
        if len(cells) != 9:
            faults.append(Fault(number, f"{len(cells)} columns where GFF3 has nine", False))
            continue
        if cells[2] in _IGNORED:
            continue
        try:
            start, end = int(cells[3]), int(cells[4])
        except ValueError:
            faults.append(Fault(number, f"no coordinates: {cells[3]!r}, {cells[4]!r}", False))
            continue
        if not 1 <= start <= end:
            faults.append(Fault(number, f"start {start} and end {end} are no range", False))
            continue
        yield Record(
            number, cells[0], cells[2], start, end, cells[6], cells[7], _attributes(cells[8])
        )


def _attributes(text: str) -> dict[str, str]:
    out = {}
    for part in text.split(";"):
        key, _, value = part.partition("=")
        if value:
            out[key.strip()] = unquote(value) if "%" in value else value.strip()
    return out


def _tie(records: list[Record], faults: list[Fault]) -> dict[str, Record]:
    """Hang children below their parents. The lines of one CDS may share an ID; where other records
    do, nobody can tell whose child is whose."""
    by_id: dict[str, Record] = {}
    for record in records:
        if not record.id or record.type in ("CDS", "exon"):
            continue
        first = by_id.setdefault(record.id, record)
        if first is not record:
            said = f'line {first.line} has the ID "{record.id}" as well'
            faults.append(Fault(record.line, said, False))
            if first.place != record.place:
                first.other_line = record.line
    orphans: dict[str, int] = {}
    for record in records:
        for parent in record.parents:
            if parent in by_id:
                by_id[parent].children.append(record)
            else:
                orphans.setdefault(parent, record.line)
        if not record.parents and record.type in ("CDS", "exon"):
            faults.append(Fault(record.line, f"this {record.type} has no Parent", False))
    faults.extend(Fault(n, f'Parent "{p}" is not in the file', False) for p, n in orphans.items())
    return by_id


def _has_parts(record: Record) -> bool:
    return any(c.type in ("exon", "CDS") for c in record.children)


# -- transcripts ----------------------------------------------------------------------------------


def _build(record: Record, gene: Record | None, faults: list[Fault]) -> GeneModel:
    if record.strand not in "+-" or not record.strand:
        raise _Refused(f'its strand is "{record.strand}"')
    if record.other_line:
        raise _Refused(f"line {record.other_line} has its ID at another place")
    strand = 1 if record.strand == "+" else -1
    exons, cds = _parts(record, faults)
    if not exons:
        exons = _merge(cds)
        faults.append(Fault(record.line, f"{record.id} has no exons: its CDS are taken", False))
    spans = _checked_exons(exons)
    bounds, phase, first_phase = None, 0, -1
    if cds:
        bounds = (min(c.start for c in cds), max(c.end for c in cds))
        first = _check_cds(cds, spans, strand)
        phase = _phase(first, cds, strand, faults)
        five_prime = spans[0] if strand > 0 else spans[-1]
        if five_prime[0] <= first.start <= five_prime[1]:
            first_phase = phase
    return GeneModel(
        line=record.line,
        contig=record.contig,
        strand=strand,
        exons=tuple(spans),
        cds=bounds,
        phase=phase,
        first_exon_phase=first_phase,
        table=_table(record.contig, cds),
        labels=_labels(record, gene, cds),
        mature=_mature(record),
    )


def _parts(record: Record, faults: list[Fault]) -> tuple[list[Record], list[Record]]:
    """Exons and CDS of a transcript. Raises _Refused where they lie elsewhere."""
    parts: dict[str, list[Record]] = {"exon": [], "CDS": []}
    seen: set[tuple[str, int, int]] = set()
    for child in record.children:
        if child.type not in parts:
            continue
        if child.contig != record.contig or child.strand != record.strand:
            raise _Refused(f"its {child.type} lies on another strand or contig", child.line)
        key = (child.type, child.start, child.end)
        if key in seen:
            faults.append(Fault(child.line, f"this {child.type} was given before", False))
            continue
        seen.add(key)
        parts[child.type].append(child)
    for children in parts.values():
        children.sort(key=lambda c: c.start)
    return parts["exon"], parts["CDS"]


def _merge(cds: list[Record]) -> list[Record]:
    return [c for i, c in enumerate(cds) if not i or c.start > cds[i - 1].end]


def _checked_exons(exons: list[Record]) -> list[tuple[int, int]]:
    for a, b in pairwise(exons):
        if b.start <= a.end:
            raise _Refused(f"its exons overlap at {b.start}", b.line)
    spans = [(e.start, e.end) for e in exons]
    # Exons that touch are one: there is no intron between them.
    out = spans[:1]
    for start, end in spans[1:]:
        if start == out[-1][1] + 1:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def _check_cds(cds: list[Record], exons: list[tuple[int, int]], strand: int) -> Record:
    """The 5'-most CDS. Raises _Refused where one lies outside of the exons."""
    for part in cds:
        if not any(s <= part.start and part.end <= e for s, e in exons):
            raise _Refused(f"its CDS {part.start}-{part.end} is not within an exon", part.line)
    return cds[0] if strand > 0 else cds[-1]


def _phase(first: Record, cds: list[Record], strand: int, faults: list[Fault]) -> int:
    """Missing bases of the first codon: GFF3's phase counts those to skip to the next codon."""
    if first.phase in ("0", "1", "2"):
        return (3 - int(first.phase)) % 3
    # The frame follows from any later part of the CDS that has a phase.
    ordered = cds if strand > 0 else cds[::-1]
    before = 0
    for part in ordered:
        if part.phase in ("0", "1", "2"):
            faults.append(Fault(first.line, "this CDS has no phase: taken from the next", False))
            return (-int(part.phase) - before) % 3
        before += part.end - part.start + 1
    faults.append(Fault(first.line, "this CDS has no phase: 0 is assumed", False))
    return 0


def _table(contig: str, cds: list[Record]) -> int:
    for part in cds:
        given = part.attributes.get("transl_table", "")
        if given:
            if not given.isdigit() or not codons.known_code(int(given)):
                raise _Refused(f'no genetic code is numbered "{given}"', part.line)
            return int(given)
    return codons.VERTEBRATE_MITOCHONDRIAL if contig in _MITOCHONDRIAL else codons.STANDARD


def _mature(record: Record) -> tuple[tuple[int, int], ...]:
    """Mature products below a miRNA precursor (RefSeq: miRNA below primary_transcript)."""
    return tuple((c.start, c.end) for c in record.children if c.type in ("miRNA", "mature_miRNA"))


# -- names ----------------------------------------------------------------------------------------


def _labels(record: Record, gene: Record | None, cds: list[Record]) -> Labels:
    own = record.attributes
    genes = gene.attributes if gene is not None else {}
    tags = set(re.split(r"[,]", own.get("tag", "")))
    xrefs = _xrefs(own) | _xrefs(genes)
    name = _PREFIX.sub("", own.get("transcript_id") or own.get("ID") or own.get("Name", ""))
    source, hgnc = _symbol_source(genes, own, xrefs)
    mane = tags & {"MANE_Select", "MANE Select"}
    plus = tags & {"MANE_Plus_Clinical", "MANE Plus Clinical"}
    canonical = tags & {"Ensembl_canonical", "RefSeq Select", *mane}
    return Labels(
        symbol=clean(own.get("gene_name") or own.get("gene") or _gene_name(genes)),
        gene=clean(_gene_id(own, genes, xrefs)),
        feature=clean(name),
        biotype=clean(_biotype(record, gene)),
        flags="&".join(t for t in _PICKABLE_TAGS if t in tags),
        symbol_source=clean(source),
        hgnc_id=clean(hgnc),
        canonical="YES" if canonical else "",
        mane_select=clean(_mane(name, own, bool(mane))),
        mane_plus_clinical=clean(_mane(name, own, bool(plus))),
        tsl=_tsl(own),
        appris=_appris(tags),
        ccds=clean(own.get("ccdsid", "")),
        hgvs_transcript=clean(_with_version(name, own.get("version", ""))),
        hgvs_protein=clean(_protein(cds)),
    )


def clean(text: str) -> str:
    """A value as VEP writes it into a VCF: no separator of the format is left in it."""
    text = re.sub(r"\s+", "_", text.strip())
    return text.replace(",", "&").replace("|", "&").replace(";", "%3B").replace("=", "%3D")


def _xrefs(attributes: dict[str, str]) -> dict[str, str]:
    out = {}
    for entry in (attributes.get("Dbxref") or attributes.get("dbxref") or "").split(","):
        key, _, value = entry.partition(":")
        if value:
            out[key] = value
    return out


def _gene_name(genes: dict[str, str]) -> str:
    return genes.get("Name") or genes.get("name") or genes.get("gene_name") or ""


def _gene_id(own: dict[str, str], genes: dict[str, str], xrefs: dict[str, str]) -> str:
    found = own.get("gene_id") or xrefs.get("GeneID") or genes.get("gene_id")
    return found or _PREFIX.sub("", genes.get("ID", ""))


def _with_version(name: str, version: str) -> str:
    return name if not version or _VERSIONED.search(name) else f"{name}.{version}"


def _protein(cds: list[Record]) -> str:
    if not cds:
        return ""
    own = cds[0].attributes
    name = own.get("protein_id", "")
    # Ensembl's files carry no version of proteins; VEP writes 1.
    return _with_version(name, own.get("protein_version", "1")) if name else ""


def _biotype(record: Record, gene: Record | None) -> str:
    own = record.attributes
    given = own.get("biotype") or own.get("transcript_type") or own.get("transcript_biotype")
    if given:
        return given
    kind = record.type.lower()
    if kind == "mrna":
        return "protein_coding"
    if kind == "ncrna" and own.get("ncrna_class"):
        return own["ncrna_class"]
    segment = re.fullmatch(r"([a-z]+)_gene_segment", kind)
    if segment:
        return f"IG_{segment.group(1).upper()}_gene"
    if gene is not None and gene.attributes.get("description", "").startswith("microRNA"):
        return "miRNA"
    if record is gene or _GENE_TYPES.search(kind):
        return own.get("gene_biotype") or own.get("gene_type") or "protein_coding"
    return own.get("gbkey") or record.type


def _symbol_source(
    genes: dict[str, str], own: dict[str, str], xrefs: dict[str, str]
) -> tuple[str, str]:
    """SYMBOL_SOURCE and HGNC_ID, from whichever place the dialect keeps them."""
    found = re.search(r"\[Source:([^;\]]+);Acc:([^\]]+)\]", genes.get("description", ""))
    hgnc = genes.get("hgnc_id") or own.get("hgnc_id") or xrefs.get("HGNC", "")
    if found:
        source = found.group(1).split(" ")[0]
        return source, found.group(2) if source == "HGNC" else hgnc
    if hgnc:
        return "HGNC", hgnc
    return ("EntrezGene", "") if "GeneID" in xrefs else ("", "")


def _mane(name: str, own: dict[str, str], tagged: bool) -> str:
    """The partner's id where the file names it, the transcript's own otherwise."""
    if not tagged:
        return ""
    for entry in (own.get("Dbxref") or "").split(","):
        key, _, value = entry.partition(":")
        if key in ("Ensembl", "RefSeq"):
            return value
    return _with_version(name, own.get("version", ""))


def _tsl(own: dict[str, str]) -> str:
    level = re.match(r"(\d+|NA)", own.get("transcript_support_level") or own.get("tsl") or "")
    return level.group(1) if level and level.group(1) != "NA" else ""


def _appris(tags: set[str]) -> str:
    """``P1`` to ``P5``, ``A1``, ``A2``, as VEP shortens them."""
    for tag in sorted(tags):
        kind = re.fullmatch(r"appris_(p|a)[a-z]*_(\d)", tag)
        if kind:
            return f"{kind.group(1).upper()}{kind.group(2)}"
    return ""
