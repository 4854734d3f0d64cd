"""The project's own engine: every allele against every transcript, in the layout of Ensembl VEP.

Work goes along the file: most records are single-base substitutions that a ready segment answers
(``segments.py``), the rest goes through the plain evaluator (``effects.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from gas import __version__
from gas.annotate import csq
from gas.annotate.contigs import ContigNames
from gas.annotate.csq import INTERGENIC, Options, Row, row, write_rows
from gas.annotate.engines import Context, InfoField, Record, Source
from gas.annotate.fit import REF_MISMATCH
from gas.annotate.hgvs import Strands
from gas.annotate.model import Model, open_model
from gas.annotate.pack import Pack
from gas.annotate.segments import Sweep, title
from gas.annotate.sources import Known, SourceField, Sources, specs_of
from gas.annotate.structural import Structural, parse_symbolic, structural_effect
from gas.annotate.transcript import Transcript
from gas.annotate.variant import Variant, is_sequence, parse_alleles, single
from gas.errors import EngineError

_VERSION = "1"
_CHECK_EVERY = 1024
_PREFIX = csq.KEY.encode() + b"="
#: Stands in a row where Existing_variation is to come; no VCF can hold it.
_MARK = "\0"
_MARK_BYTES = _MARK.encode()

#: What ``TallyingSession`` wants to know of a record.
Titles = tuple[bytes, ...] | None
_INTERGENIC_TITLES: Titles = (title(INTERGENIC),)

#: (REF, ALT) of a substitution -> both bases, and what HGVS makes of it: nothing, the change, the
#: change on the other strand.
_OTHER = {"A": "T", "C": "G", "G": "C", "T": "A"}
_SNVS: dict[tuple[bytes, bytes], tuple[int, str, str, tuple[str, str, str]]] = {
    (r.encode(), a.encode()): (
        ord(ref), ref, alt, ("", f"{ref}>{alt}", f"{_OTHER[ref]}>{_OTHER[alt]}")
    )
    for ref in "ACGT" for alt in "ACGT" if ref != alt
    for r in (ref, ref.lower()) for a in (alt, alt.lower())
}  # fmt: skip


class GasEngine:
    """See ``gas.annotate.engines.Engine``."""

    name = "gas"
    parallel = True

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()

    @classmethod
    def with_options(cls, options: Mapping[str, str]) -> GasEngine:
        """``fields`` (names joined by commas), ``pick`` (csq.PICK_MODES), ``distance`` (bases),
        ``fill-id`` (yes or no). Raises EngineError for anything else."""
        unknown = sorted(set(options) - {"fields", "pick", "distance", "fill-id"})
        if unknown:
            raise EngineError(f"There is no option {', '.join(unknown)}.")
        distance = options.get("distance", str(Options.distance))
        if not distance.isascii() or not distance.lstrip("-").isdigit():
            raise EngineError(f"The distance is {distance!r}.", hint="Give it in bases.")
        fill_id = options.get("fill-id", "no")
        if fill_id not in ("yes", "no"):
            raise EngineError(f"fill-id is {fill_id!r}.", hint="Give yes or no.")
        fields = tuple(
            name.strip() for name in options.get("fields", "").split(",") if name.strip()
        )
        pick = options.get("pick", Options.pick)
        return cls(Options(fields, pick, int(distance), fill_id == "yes"))

    def version(self) -> str:
        return f"gas {__version__}, rules {_VERSION} (Ensembl VEP 115)"

    def info(self) -> InfoField:
        return InfoField(csq.KEY, csq.DESCRIPTION, self.options.columns)

    @contextmanager
    def open(self, source: Source, pack: Pack, context: Context) -> Iterator[GasSession]:
        model = open_model(pack, context.scratch)
        try:
            sources = Sources(pack, model)
            yield GasSession(model, pack, self.options, context.check_cancelled, sources)
            sources.close()
        finally:
            model.close()

    def extra_info(self, pack: Pack) -> list[SourceField]:
        """INFO keys that it adds beside its own where ``pack`` has allele sources."""
        return [field for spec in specs_of(pack) for field in spec.fields]


class GasSession:
    """See ``gas.annotate.engines.Session``, ``TallyingSession`` and ``KnowingSession``."""

    def __init__(
        self,
        model: Model,
        pack: Pack,
        options: Options,
        check_cancelled: Callable[[], None] = lambda: None,
        sources: Sources | None = None,
    ) -> None:
        self._model = model
        self._sources = sources
        self._mark = _MARK if sources is not None and sources.has_ids else ""
        self._options = options
        self._check_cancelled = check_cancelled
        self._names = ContigNames.of(pack)
        #: Where the last records were: the next ones follow them.
        self._work: Contig | None = None
        #: See ``KnowingSession``.
        self.known: set[int] | None = set() if sources is not None and sources.has_alleles else None
        self.ids: dict[int, bytes] = {}
        if options.plain:
            self.annotate_with_heads = self._annotate

    def annotate(self, records: Sequence[Record]) -> list[bytes]:
        """See ``Session``. Records come in the order of one contig after the other."""
        return self._annotate(records)[0]

    def _annotate(self, records: Sequence[Record]) -> tuple[list[bytes], list[Titles]]:
        out: list[bytes] = []
        titles: list[Titles] = []
        if self.known is not None:
            self.known = set()
        self.ids = {}
        start = 0
        while start < len(records):
            contig = records[start][0]
            stop = start + 1
            while stop < len(records) and records[stop][0] == contig:
                stop += 1
            self._on_contig(contig, records[start:stop], out, titles)
            start = stop
        return out, titles

    def _on_contig(
        self, name: bytes, records: Sequence[Record], out: list[bytes], titles: list[Titles]
    ) -> None:
        contig = self._names.get(name)
        if contig is None:
            out += [b""] * len(records)
            titles += [None] * len(records)
            return
        if self._work is None or self._work.name != contig:
            self._work = Contig(self._model, contig, self._options, self._mark)
        work = self._work
        for at in range(0, len(records), _CHECK_EVERY):
            self._check_cancelled()
            part = records[at : at + _CHECK_EVERY]
            entries: list[bytes] = []
            work.add(part, entries, titles)
            if self._sources:
                known = self._sources.join(contig, part)
                _add_known(part, entries, known, self._mark)
                if self.known is not None:
                    self.known.update([len(out) + i for i in known.listed])
                if self._options.fill_id:
                    self.ids |= {len(out) + i: _id_of(ids) for i, ids in known.ids.items()}
            out += entries
        span = abs(int(records[-1][1]) - int(records[0][1]))
        self._model.release(len(records), span)


def _add_known(records: Sequence[Record], entries: list[bytes], known: Known, mark: str) -> None:
    """Put what the sources know into the entries, and take the marks out."""
    for i, ids in known.ids.items():
        if len(ids) == 1:
            entries[i] = entries[i].replace(_MARK_BYTES, ids[0])
        elif _MARK_BYTES in entries[i]:
            entries[i] = _with_ids(records[i], entries[i], ids)
    if mark:
        entries[:] = [entry.replace(_MARK_BYTES, b"") for entry in entries]
    for i, info in known.infos.items():
        entry = entries[i]
        if entry != REF_MISMATCH:
            entries[i] = entry + b";" + info if entry else info


def _id_of(ids: Sequence[bytes]) -> bytes:
    """The identifiers of all alleles as an ID column has them: each once, joined by ``;``."""
    return b";".join(dict.fromkeys(i for of in ids for i in of.split(b"&") if i))


def _with_ids(record: Record, entry: bytes, ids: Sequence[bytes]) -> bytes:
    """The rows of several alleles, each with the ids of its own."""
    alts = record[4].decode("utf-8", "replace").split(",")
    variants = parse_alleles(int(record[1]), record[3].decode("utf-8", "replace"), alts)
    of = {v.label.encode(): i for v, i in zip(variants, ids, strict=True) if v}
    rows = entry[len(_PREFIX) :].split(b",")
    return _PREFIX + b",".join(
        [r.replace(_MARK_BYTES, of.get(r.partition(b"|")[0], b"")) for r in rows]
    )


class Contig:
    """Records of one contig, in the order of their positions."""

    def __init__(self, model: Model, contig: str, options: Options, mark: str = "") -> None:
        self._intergenic = csq.intergenic(mark)
        self._mark = mark
        self._model = model
        self.name = self._contig = contig
        self._options = options
        self._length = model.lengths[contig]
        self._sweep = Sweep(model, contig, options.distance, mark)

    def add(self, records: Sequence[Record], out: list[bytes], titles: list[Titles]) -> None:
        """Append the INFO entry of each record, and the titles of its rows."""
        if not self._options.plain:
            for record in records:
                entry, _ = self._entry(record)
                out.append(entry)
            return
        sweep = self._sweep
        genome, offset = self._model.bytes, self._model.offset(self._contig)
        low, high, regions, shared = sweep.low, sweep.high, sweep.regions, sweep.titles
        plain = sweep.plain
        length, far = self._length, self._intergenic
        snvs = _SNVS
        for record in records:
            known = snvs.get((record[3], record[4]))
            pos = int(record[1])
            if known is None or not 0 < pos <= length or genome[offset + pos] != known[0]:
                entry, found = self._entry(record)
                out.append(entry)
                titles.append(found)
                low, high, regions, shared = sweep.low, sweep.high, sweep.regions, sweep.titles
                plain = sweep.plain
                continue
            if not low <= pos <= high:
                sweep.move(pos)
                low, high, regions, shared = sweep.low, sweep.high, sweep.regions, sweep.titles
                plain = sweep.plain
            _, ref, alt, changes = known
            if plain:
                rows = [f"{h}{abs(pos - edge)}{changes[i]}{t}" for h, edge, i, t in plain]
                out.append(f"CSQ={alt}|{f',{alt}|'.join(rows)}".encode())
                titles.append(shared)
            elif regions:
                _, change, reverse = changes
                both = [region.snv(pos, ref, alt, change, reverse) for region in regions]
                rows = [text for text, _ in both]
                out.append(f"CSQ={alt}|{f',{alt}|'.join(rows)}".encode())
                titles.append(shared or tuple([name for _, name in both]))
            else:
                out.append(f"CSQ={alt}|{far}".encode())
                titles.append(_INTERGENIC_TITLES)

    # -- the general way --

    def _entry(self, record: Record) -> tuple[bytes, Titles]:
        pos = int(record[1])
        if self._options.plain and record[3].isalpha() and record[4].isalpha():
            at = self._model.offset(self._contig) + pos
            there = self._model.bytes[at : at + len(record[3])] if pos > 0 else b""
            if there == record[3] and pos + len(there) <= self._length + 1:
                variant = single(pos, there.decode(), record[4].decode().upper())
                if variant is not None:
                    return self._plain(variant)
        ref = record[3].decode("ascii", "replace").upper()
        if not is_sequence(ref) or not 0 < pos <= self._length - len(ref) + 1:
            return b"", None
        if not self._matches(pos, ref):
            return REF_MISMATCH, None
        alts = record[4].decode("utf-8", "replace").split(",")
        per_allele: list[list[Row]] = []
        for alt, variant in zip(alts, parse_alleles(pos, ref, alts), strict=True):
            if variant is not None:
                if len(alts) == 1 and self._options.plain:
                    return self._plain(variant)
                per_allele.append(self._rows(variant))
                continue
            symbolic = parse_symbolic(pos, alt, record[7])
            if symbolic is not None:
                per_allele.append(self._structural_rows(symbolic))
        rows = _by_transcript(per_allele)
        if not rows:
            return b"", None
        return (
            _PREFIX + write_rows(rows, self._options).encode(),
            tuple([title(found.text) for found in rows]),
        )

    def _plain(self, variant: Variant) -> tuple[bytes, Titles]:
        """The entry of a record with one allele where every row is kept whole."""
        label = variant.label
        found = self._texts(variant)
        if not found:
            return f"CSQ={label}|{self._intergenic}".encode(), _INTERGENIC_TITLES
        texts = [text for text, _, _ in found]
        titles = tuple([known or title(text) for text, _, known in found])
        return f"CSQ={label}|{f',{label}|'.join(texts)}".encode(), titles

    def _matches(self, pos: int, ref: str) -> bool:
        """Is REF what the genome has? An ambiguous base on either side says nothing."""
        there = self._model.fetch(self._contig, pos, pos + len(ref) - 1)
        if there == ref:
            return True
        return all(
            a == b or a not in "ACGT" or b not in "ACGT" for a, b in zip(there, ref, strict=True)
        )

    def _rows(self, variant: Variant) -> list[Row]:
        rows = [Row(variant.label, text, tx) for text, tx, _ in self._texts(variant)]
        return rows or [Row(variant.label, self._intergenic, None)]

    def _texts(self, variant: Variant) -> list[tuple[str, Transcript, bytes | None]]:
        """The rows (without allele), their transcripts, and their titles where they are known."""
        strands = Strands(self._model, self._contig, variant)
        low, high = variant.start, variant.end
        if low > high:
            low, high = high, low
        sweep = self._sweep
        if not sweep.low <= low <= sweep.high:
            sweep.move(low)
        found: list[tuple[str, Transcript, bytes | None]] = []
        for ribbon, region in sweep.holding(low, high):
            if region is not None and (text := region.other(variant, strands)):
                found.append((text, ribbon.tx, region.title))
            elif text := ribbon.slow(variant, strands):
                found.append((text, ribbon.tx, None))
        return found

    def _structural_rows(self, sv: Structural) -> list[Row]:
        low, high = min(sv.start, sv.end), min(max(sv.start, sv.end), self._length)
        rows = []
        for ribbon in self._sweep.around(low, high):
            found = structural_effect(ribbon.tx, sv, self._options.distance)
            if found is not None:
                rows.append(Row(sv.label, row(ribbon.tx, found, self._mark), ribbon.tx))
        return rows or [Row(sv.label, self._intergenic, None)]


def _by_transcript(per_allele: list[list[Row]]) -> list[Row]:
    """Rows of one transcript side by side, alleles in the order of ALT."""
    if len(per_allele) == 1:
        return per_allele[0]
    order: dict[int, list[Row]] = {}
    for rows in per_allele:
        for found in rows:
            order.setdefault(id(found.tx), []).append(found)
    return [found for rows in order.values() for found in rows]
