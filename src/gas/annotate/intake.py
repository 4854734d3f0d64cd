"""The gate that every input passes, as its slices stream into the engine: the validator and the
build check over the same bytes, once.

    intake = Intake(source, reference, others)
    for piece in source.slices():
        rejected = intake.take(piece)          # index within the slice -> why it is not annotated
        …
    result = intake.finish()                   # Raises InputError where the file is refused

Its memory does not grow with the file; rejected records are handed out, not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gas.annotate.builds import BuildCheck, Reference, Verdict
from gas.annotate.validate.order import DISORDER
from gas.annotate.validate.report import Report, show
from gas.annotate.validate.stream import Validator, split
from gas.annotate.vcf import Slice, VcfFile

#: First line of ``rejected.tsv``.
REJECTED_HEADER = b"line\treason\n"
#: A cell that starts with one of these may run as a formula in a spreadsheet.
_FORMULAS = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Result:
    """What the gate has to say of a whole file that it let pass."""

    report: Report
    verdict: Verdict | None

    def as_dict(self) -> dict[str, object]:
        """For machines: the report, and under ``reference`` the build check."""
        values = self.report.as_dict()
        if self.verdict is not None:
            values["reference"] = self.verdict.as_dict()
        return values


class Intake:
    """The gate for one file. ``others``: references on offer, for the message to who chose the
    wrong one."""

    def __init__(
        self,
        source: VcfFile,
        reference: Reference | None = None,
        others: Sequence[str] = (),
        *,
        strict: bool = False,
        check_build: bool = True,
    ) -> None:
        """``check_build``: refuse a file of another assembly; without it, only one that has no
        contig in common. Raises InputError where the header is refused."""
        self._check_build = check_build
        self._validator = Validator(strict=strict)
        declared = self._validator.header(source.header_texts)
        self._refuse()
        self._build = BuildCheck(reference, declared, others) if reference is not None else None
        self._ended = source.header[-1].endswith(b"\n")

    def take(self, piece: Slice) -> dict[int, str]:
        """Look at the next slice. Returns the records that cannot be annotated, by their index in
        it, and why. Raises InputError where the file cannot be read safely."""
        self._validator.text(piece.text, piece.first_line)
        self._refuse()
        records = split(piece.text)
        self._ended = piece.text.endswith(b"\n")
        rejected = self._validator.records(records, piece.first_line)
        if self._build is not None:
            self._build.add(records)
        return rejected

    def check_early(self) -> None:
        """Raises InputError where the slices so far leave no doubt about another assembly."""
        refusal = self._build.early() if self._build is not None and self._check_build else None
        if refusal is not None:
            raise refusal

    @property
    def in_order(self) -> bool:
        """Whether no record so far was seen to come after a later one."""
        counts = self._validator.report.counts
        return not any(counts[rule] for rule in DISORDER)

    def finish(self) -> Result:
        """The end of the file. Raises InputError where it is of another assembly."""
        report = self._validator.finish(last_line_ended=self._ended)
        verdict = None
        if self._build is not None:
            verdict = self._build.verdict()
            refusal = verdict.refusal()
            if refusal is not None and (self._check_build or verdict.nothing_common):
                raise refusal
        return Result(report, verdict)

    def _refuse(self) -> None:
        refusal = self._validator.refusal()
        if refusal is not None:
            raise refusal


def rejected_line(line: int, reason: str) -> bytes:
    """A line of ``rejected.tsv``: the record's 1-based line in the input, and why it was passed
    through. Reasons are words of ours around values that ``show`` made inert."""
    text = show(reason.encode(), 200)
    if text[:1] in _FORMULAS:
        text = "'" + text
    return f"{line}\t{text}\n".encode()
