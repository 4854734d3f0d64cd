"""A name applied back to the transcript gives the changed sequence."""

from __future__ import annotations

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from gas.annotate.codons import reverse_complement
from gas.annotate.effects import effect
from gas.annotate.hgvs import Strands, position_name
from gas.annotate.transcript import Transcript
from gas.annotate.variant import Variant, parse_alleles
from tests.unit.annotate.engine.worlds import CONTIG, World, random_record, random_world

_NAME = re.compile(
    r"T\d+\.1:[cn]\.([-*\d+]+?)(?:_([-*\d+]+?))?"
    r"(?:([ACGT]+)>([ACGT]+)|(delins|del|dup|ins|inv)([ACGT]*)|\[(\d+)\])$"
)


def _read(tx: Transcript, world: World) -> str:
    """The unspliced transcript as its strand reads it."""
    text = world.sequence[tx.start - 1 : tx.end]
    return text if tx.strand > 0 else reverse_complement(text)


def _changed(tx: Transcript, world: World, variant: Variant) -> str:
    sequence = world.sequence
    text = sequence[tx.start - 1 : variant.start - 1] + variant.alt + sequence[variant.end : tx.end]
    return text if tx.strand > 0 else reverse_complement(text)


def _positions(tx: Transcript) -> dict[str, list[int]]:
    """c. position -> places (0-based, reading order). VEP's way to write introns behind the stop
    codon gives some positions two places."""
    out: dict[str, list[int]] = {}
    for at in range(tx.end - tx.start + 1):
        genomic = tx.start + at if tx.strand > 0 else tx.end - at
        out.setdefault(position_name(tx, genomic), []).append(at)
    return out


def _applied(name: str, text: str, positions: dict[str, list[int]]) -> str | None:
    """``text`` with the change that ``name`` says; None where a position has two places."""
    match = _NAME.match(name)
    assert match, name
    first, last, ref, alt, kind, bases, times = match.groups()
    places = [positions[first], positions[last or first]]
    if any(len(p) > 1 for p in places):
        return None
    a, b = places[0][0], places[1][0]
    if ref:
        assert text[a] == ref
        return text[:a] + alt + text[b + 1 :]
    if kind == "ins":
        assert b == a + 1
        return text[:b] + bases + text[b:]
    middle = {
        "del": "",
        "delins": bases,
        "dup": text[a : b + 1] * 2,
        "inv": reverse_complement(text[a : b + 1]),
    }.get(kind or "", text[a : b + 1] * int(times or 0))
    return text[:a] + middle + text[b + 1 :]


@given(st.integers(0, 1 << 32))
@settings(max_examples=40, deadline=None)
def test_a_name_applied_gives_the_changed_sequence(seed: int) -> None:
    rng = random.Random(seed)
    world = random_world(seed, transcripts=3)
    seen = 0
    for tx in world.transcripts():
        if tx.cds_shift:
            continue  # VEP counts substitutions of such models another way
        text, positions = _read(tx, world), _positions(tx)
        for _ in range(60):
            pos, ref, alts = random_record(rng, world)
            for variant in parse_alleles(pos, ref, alts):
                assert variant is not None
                found = effect(tx, variant, Strands(world, CONTIG, variant))
                if found is None or not found.hgvsc:
                    continue
                again = _applied(found.hgvsc, text, positions)
                if again is not None:
                    seen += 1
                    assert again == _changed(tx, world, variant), (seed, pos, ref, alts)
    assert seen > 0 or all(tx.cds_shift for tx in world.transcripts()) or len(text) < 600


@given(st.integers(0, 1 << 32))
@settings(max_examples=40, deadline=None)
def test_a_change_is_moved_as_far_as_it_goes(seed: int) -> None:
    """Moved any further, the sequence would be another one."""
    rng = random.Random(seed)
    world = random_world(seed, transcripts=1)
    for _ in range(80):
        pos, ref, alts = random_record(rng, world)
        (variant,) = parse_alleles(pos, ref, alts[:1])
        assert variant is not None
        for strand in (1, -1):
            change = Strands(world, CONTIG, variant).on(strand)
            # As VEP does, a change stops its own length before the end of what is looked at.
            if change is None or variant.kind == "other" or not 200 < pos < 2800:
                continue
            moved = change.moved
            assert _edited(world, moved) == _edited(world, variant)
            further = moved._replace(start=moved.start + strand, end=moved.end + strand)
            turned = further._replace(
                ref=_turn(further.ref, strand), alt=_turn(further.alt, strand)
            )
            assert _edited(world, turned) != _edited(world, variant)


def _turn(bases: str, by: int) -> str:
    return bases[by:] + bases[:by] if bases else bases


def _edited(world: World, variant: Variant) -> str:
    sequence = world.sequence
    return sequence[: variant.start - 1] + variant.alt + sequence[variant.end :]
