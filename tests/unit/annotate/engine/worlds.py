"""Small random genomes with random gene models, for tests that compare two ways of one answer."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import pysam

from gas.annotate.codons import reverse_complement
from gas.annotate.compile import compile_model
from gas.annotate.csq import INTERGENIC, Options, row
from gas.annotate.effects import effect
from gas.annotate.engines.gas import GasSession
from gas.annotate.genes import GeneModel
from gas.annotate.hgvs import Strands
from gas.annotate.model import Model
from gas.annotate.pack import Pack
from gas.annotate.transcript import Labels, Transcript
from gas.annotate.variant import Variant, parse_alleles

CONTIG = "1"
BIOTYPES = ("processed_transcript", "lincRNA", "nonsense_mediated_decay", "protein_coding")


@dataclass(frozen=True)
class World:
    """A sequence and the models on it. ``Genome`` of its transcripts."""

    sequence: str
    models: tuple[GeneModel, ...]

    def fetch(self, contig: str, start: int, end: int) -> str:
        return self.sequence[max(0, start - 1) : max(0, end)]

    def transcripts(self) -> list[Transcript]:
        return [transcript(m, self) for m in self.models]


def transcript(model: GeneModel, genome: World) -> Transcript:
    return Transcript(
        model.contig, model.strand, model.exons, model.cds, model.phase,
        model.first_exon_phase, model.table, model.labels, genome, model.mature,
    )  # fmt: skip


def random_world(seed: int, transcripts: int = 5, length: int = 3000) -> World:
    rng = random.Random(seed)
    # Runs of one base make repeats, so that changes can be moved.
    pieces: list[str] = []
    while sum(map(len, pieces)) < length:
        pieces.append(rng.choice("ACGT") * rng.randint(1, 6) if rng.random() < 0.2 else "")
        pieces.append("".join(rng.choices("ACGT", k=rng.randint(3, 30))))
    sequence = "".join(pieces)[:length]
    models = [_random_model(rng, i, length) for i in range(transcripts)]
    models.sort(key=lambda m: (m.exons[0][0], m.exons[-1][1], m.line))
    sequence = _with_codons(rng, sequence, models)
    return World(sequence, tuple(models))


def _random_model(rng: random.Random, number: int, length: int) -> GeneModel:
    exons = []
    at = rng.randint(5, length // 2)
    for _ in range(rng.randint(1, 6)):
        size = rng.choice((1, 2, 4, 5, 8)) if rng.random() < 0.2 else rng.randint(9, 160)
        if at + size > length - 5:
            break
        exons.append((at, at + size - 1))
        short = rng.random() < 0.15
        at += size + (rng.randint(2, 60) if short else rng.randint(40, 250))
    strand = rng.choice((1, -1))
    cds, phase, first_phase = None, 0, -1
    biotype = rng.choice(BIOTYPES)
    if rng.random() < 0.75:
        bases = [p for s, e in exons for p in range(s, e + 1)]
        if len(bases) >= 12:
            a = rng.randrange(0, len(bases) - 9)
            b = rng.randrange(a + 8, len(bases))
            if rng.random() < 0.3:
                a, b = 0, len(bases) - 1
            if rng.random() < 0.8:
                b -= (b - a + 1) % 3
            cds = (bases[a], bases[b])
            five = bases[a] == bases[0] if strand > 0 else bases[b] == bases[-1]
            phase = rng.choice((0, 1, 2)) if five and rng.random() < 0.5 else 0
            start = bases[a] if strand > 0 else bases[b]
            outer = exons[0] if strand > 0 else exons[-1]
            first_phase = phase if outer[0] <= start <= outer[1] else -1
            biotype = rng.choice(("protein_coding", "protein_coding", "nonsense_mediated_decay"))
    mature: tuple[tuple[int, int], ...] = ()
    if cds is None and rng.random() < 0.1:
        mature = ((exons[0][0], min(exons[0][1], exons[0][0] + 20)),)
    labels = Labels(
        symbol=f"SYM{number}", gene=f"G{number}", feature=f"T{number}", biotype=biotype,
        hgvs_transcript=f"T{number}.1", hgvs_protein=f"P{number}.1" if cds else "",
    )  # fmt: skip
    return GeneModel(
        number, CONTIG, strand, tuple(exons), cds, phase, first_phase,
        rng.choice((1, 1, 2)), labels, mature,
    )  # fmt: skip


def _with_codons(rng: random.Random, sequence: str, models: list[GeneModel]) -> str:
    """Give most coding sequences a start, a stop and few stops between."""
    bases = list(sequence)
    for model in models:
        if model.cds is None or rng.random() < 0.2:
            continue
        places = [
            p for s, e in model.exons for p in range(s, e + 1)
            if model.cds[0] <= p <= model.cds[1]
        ]  # fmt: skip
        if model.strand < 0:
            places.reverse()
        places = places[(3 - model.phase) % 3 :]
        for i in range(0, len(places) - 2, 3):
            last = i + 6 > len(places)
            codon = rng.choice(("GCT", "AAA", "CTG", "GAT", "TGG", "CAG", "ACG"))
            if i == 0 and not model.phase:
                codon = "ATG"
            elif last and len(places) % 3 == 0:
                codon = rng.choice(("TAA", "TAG", "TGA"))
            elif rng.random() < 0.3:
                continue
            for place, base in zip(places[i : i + 3], codon, strict=True):
                bases[place - 1] = base if model.strand > 0 else reverse_complement(base)
    return "".join(bases)


def mirrored(world: World) -> World:
    """The same world read from the other strand."""
    length = len(world.sequence)

    def turned(span: tuple[int, int]) -> tuple[int, int]:
        return length + 1 - span[1], length + 1 - span[0]

    models = [
        replace(
            m,
            strand=-m.strand,
            exons=tuple(turned(e) for e in reversed(m.exons)),
            cds=turned(m.cds) if m.cds else None,
            mature=tuple(turned(e) for e in m.mature),
        )
        for m in world.models
    ]
    return World(reverse_complement(world.sequence), tuple(models))


def mixed_record(rng: random.Random, world: World) -> tuple[int, str, list[str]]:
    """Now and then alleles of all kinds beside each other, else ``random_record``."""
    pos, ref, alts = random_record(rng, world)
    if rng.random() < 0.1:
        # Alleles of any lengths beside each other, as joint callers write them.
        ref = world.sequence[pos - 1 : pos - 1 + rng.randint(1, 5)]
        alts = [a for a in {ref[0], ref + ref[-1] * rng.randint(1, 3), *alts} if a != ref]
        rng.shuffle(alts := sorted(alts))
        if rng.random() < 0.3:
            alts.insert(rng.randint(0, len(alts)), "*")
    return pos, ref, alts


def random_record(rng: random.Random, world: World) -> tuple[int, str, list[str]]:
    """POS, REF and ALTs of a record that matches the sequence."""
    sequence = world.sequence
    pos = rng.randint(2, len(sequence) - 40)
    kind = rng.random()
    if kind < 0.4:
        ref = sequence[pos - 1]
        others = [b for b in "ACGT" if b != ref]
        return pos, ref, rng.sample(others, 2 if rng.random() < 0.1 else 1)
    size = rng.choice((1, 1, 2, 3, 3, 4, 6, 9, 30))
    if kind < 0.6:
        ref = sequence[pos - 1 : pos + size]
        return pos, ref, [ref[0]]
    if kind < 0.8:
        ref = sequence[pos - 1]
        copy = sequence[pos : pos + size]
        new = copy if rng.random() < 0.5 else "".join(rng.choices("ACGT", k=size))
        return pos, ref, [ref + new]
    ref = sequence[pos - 1 : pos - 1 + rng.randint(1, 6)]
    if kind < 0.9:
        alt = "".join(rng.choices("ACGT", k=len(ref)))
    else:
        alt = "".join(rng.choices("ACGT", k=rng.randint(1, 8)))
    return pos, ref, [alt if alt != ref else ref + "A"]


def write_pack(world: World, folder: Path) -> Pack:
    """A pack with the world's sequence; its models are those that ``compiled`` is given."""
    text = f">{CONTIG}\n{world.sequence}\n"
    plain = folder / "genome.fa"
    plain.write_text(text)
    pysam.tabix_compress(str(plain), str(folder / "genome.fa.gz"), force=True)
    pysam.faidx(str(folder / "genome.fa.gz"))
    return Pack("world", folder, "none", "1", {CONTIG: len(world.sequence)}, "0" * 64, {})


def session(world: World, folder: Path, options: Options | None = None) -> GasSession:
    """The engine over a compiled model of the world."""
    pack = write_pack(world, folder)
    path = folder / "model.bin"
    compile_model(pack, path, models=world.models)
    return GasSession(Model(path, pack), pack, options or Options())


def plain_rows(world: World, transcripts: list[Transcript], variant: Variant) -> list[str]:
    """Rows with their allele, from the plain evaluator."""
    strands = Strands(world, CONTIG, variant)
    rows = []
    for tx in transcripts:
        found = effect(tx, variant, strands)
        if found is not None:
            rows.append(f"{variant.label}|{row(tx, found)}")
    return rows or [f"{variant.label}|{INTERGENIC}"]


def plain_entry(
    world: World, transcripts: list[Transcript], pos: int, ref: str, alts: list[str]
) -> str:
    """The CSQ entry of a record, from the plain evaluator."""
    columns = [
        plain_rows(world, transcripts, v) for v in parse_alleles(pos, ref, alts) if v is not None
    ]
    if len(columns) == 1:
        return "CSQ=" + ",".join(columns[0])
    order: dict[str, list[str]] = {}
    for rows in columns:
        for text in rows:
            order.setdefault(text.split("|")[6], []).append(text)
    return "CSQ=" + ",".join(text for rows in order.values() for text in rows)
