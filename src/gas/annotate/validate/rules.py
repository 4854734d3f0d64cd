"""Every rule of the validator, once: id, how grave, where the specification says it, what to do.

docs/validation.md lists the same rules; a test keeps the two alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How grave a broken rule is."""

    #: The file cannot be read safely: refused in both modes.
    FATAL = "fatal"
    #: Against the specification: refused in strict mode, reported in the default mode.
    ERROR = "error"
    #: As ERROR; besides, in the default mode the record is passed through unannotated.
    REJECT = "reject"
    #: Allowed, yet worth a look: reported in both modes.
    WARNING = "warning"


@dataclass(frozen=True)
class Rule:
    """One rule. ``section`` is the place in the specification of VCF 4.3, or names its version."""

    id: str
    level: Level
    field: str
    section: str
    title: str
    fix: str


RULES: dict[str, Rule] = {}


def _rules(field: str, *rows: tuple[str, Level, str, str, str]) -> None:
    for name, level, section, title, fix in rows:
        if name in RULES:
            raise ValueError(f"two rules are called {name}")
        RULES[name] = Rule(name, level, field, section, title, fix)


FATAL, ERROR, REJECT, WARNING = Level.FATAL, Level.ERROR, Level.REJECT, Level.WARNING

_rules(
    "file",
    ("file-unreadable", FATAL, "1", "The file is empty, cut off, corrupt, over a limit or no VCF.",
     "Upload the whole file again, as plain text, gzip or BGZF."),
    ("file-encoding", FATAL, "1.2", "The text is not UTF-8.",
     "Save the file as UTF-8 (iconv -t UTF-8)."),
    ("file-nul", FATAL, "1.2", "The text contains NUL bytes: it is binary, or UTF-16.",
     "Export the file as VCF text in UTF-8."),
    ("file-bom", ERROR, "1.2 (4.5)", "The file starts with a byte order mark.",
     "Save the file as UTF-8 without a byte order mark."),
    ("file-control-character", ERROR, "1.2", "A line contains a character that cannot be printed.",
     "Remove control characters and stray carriage returns."),
    ("file-last-line", ERROR, "1.6 (4.3, 4.4)", "The last line does not end with a line break.",
     "Add a line break at the end; if lines are missing too, upload the whole file again."),
    ("file-last-line-other", WARNING, "1.6 (4.5; none up to 4.2)",
     "The last line does not end with a line break.",
     "Add a line break at the end; if lines are missing too, upload the whole file again."),
    ("file-crlf", WARNING, "1 (from 4.3)", "Lines end with CR and LF, as on Windows.",
     "Nothing needs to be done; the result keeps the line ends as they are."),
    ("file-empty-line", ERROR, "1", "A line is empty.", "Remove empty lines."),
    ("file-no-records", WARNING, "1.6", "The file has a header and no records.",
     "Check that the right file was exported."),
)  # fmt: skip
_rules(
    "meta",
    ("version-missing", ERROR, "1.4.1", "The first line is not ##fileformat=VCFv4.x.",
     "Make ##fileformat=VCFv4.2 (or the version you wrote) the first line."),
    ("version-unknown", ERROR, "1.4.1",
     "The version in ##fileformat is none of VCFv4.1 to VCFv4.5.",
     "Convert the file to VCFv4.2 or later, for instance with bcftools view."),
    ("version-old", WARNING, "1.4.1", "The version in ##fileformat has been superseded.",
     "Convert the file to VCFv4.2 or later, for instance with bcftools view."),
    ("version-repeated", ERROR, "1.4.1", "##fileformat is given more than once.",
     "Keep the first ##fileformat line only."),
    ("meta-malformed", ERROR, "1.4", "A header line is not of the form ##key=value.",
     "Write it as ##key=value, or remove it."),
    ("meta-structure", ERROR, "1.4",
     "A header line <...> is not a list of key=value, with quotes closed and escaped.",
     'Write it as ##KEY=<ID=...,Description="...">; escape quotes inside as \\".'),
    ("meta-too-large", ERROR, "none: a limit of GAS", "A header line <...> is longer than 1 MiB.",
     "Leave out what is not needed."),
    ("meta-key-missing", ERROR, "1.4", "A header line lacks a key that it must have.",
     "Add the key."),
    ("meta-key-order", ERROR, "1.4.2 (up to 4.3)",
     "The keys of a header line are not in the order ID, Number, Type, Description.",
     "Put them in that order."),
    ("meta-key-repeated", ERROR, "1.4", "A header line gives a key twice.", "Keep one of them."),
    ("meta-quotes", ERROR, "1.4.2",
     "Description, or an additional key, is not in double quotes; or another key is.",
     "Quote Description, Source, Version and additional keys, and only those."),
    ("meta-id", ERROR, "1.4.5, 1.4.7, 1.6.1",
     "The ID of a header line has a character that it may not have.", "Rename it."),
    ("meta-id-repeated", ERROR, "1.4 (from 4.3)", "Two header lines of one kind have the same ID.",
     "Keep one of them."),
    ("meta-number", ERROR, "1.4.2", "Number is not one that this version knows.",
     "Use an integer, A, R (from 4.2), G or a dot."),
    ("meta-type", ERROR, "1.4.2, 1.4.4", "Type is not one that this version knows.",
     "Use Integer, Float, Flag (INFO only), Character or String."),
    ("meta-flag-number", WARNING, "1.4.2",
     "A Flag has a Number other than 0, or the other way round.",
     "Write Number=0,Type=Flag."),
    ("meta-reserved", ERROR, "1.6.1, 1.6.2, 3, 4",
     "A reserved key is declared with another Number or Type than the specification's.",
     "Use the specification's, or give the key another name."),
    ("meta-contig-length", ERROR, "1.4.7", "The length of a contig is not a whole number.",
     "Write length=NUMBER, in bases."),
    ("meta-url", ERROR, "1.4.6, 1.4.9", "##assembly or ##pedigreeDB is not a URL.",
     "Write scheme://host/path."),
    ("meta-values", ERROR, "1.4.8 (from 4.3)", "The Values of ##META are not a list in brackets.",
     "Write Values=[one, two]."),
    ("meta-sample", ERROR, "1.4.8 (up to 4.2)", "##SAMPLE lacks ID, Genomes or Mixture.",
     "Add the missing ones."),
    ("meta-pedigree", ERROR, "1.4.9", "A value of ##PEDIGREE is not the name of a genome.",
     "Use names without white space, colons and commas."),
)  # fmt: skip
_rules(
    "header",
    ("header-missing", FATAL, "1.5",
     "There is no header line #CHROM POS ID REF ALT QUAL FILTER INFO.",
     "Add the tab-separated header line before the first record."),
    ("header-columns", ERROR, "1.5", "The header line names other columns than it must.",
     "After INFO write FORMAT and the sample names, separated by single tabs."),
    ("header-no-samples", ERROR, "1.5", "The header line has FORMAT and no samples.",
     "Remove FORMAT, or add the samples."),
    ("header-sample-repeated", ERROR, "1.5", "Two samples have the same name.",
     "Give every sample its own name."),
    ("header-sample-empty", ERROR, "1.5", "A sample has no name, or the line ends with a tab.",
     "Name every sample and remove tabs at the end of the line."),
)  # fmt: skip
_rules(
    "record",
    ("record-columns", REJECT, "1.6", "A record has fewer than eight columns.",
     "Separate the columns by single tabs."),
    ("record-sample-columns", ERROR, "1.6.2",
     "A record has not one column for FORMAT and for each sample of the header line.",
     "Give each record as many columns as the header line has, separated by single tabs."),
    ("record-too-large", REJECT, "none: a limit of GAS",
     "A column has more parts than are looked into.",
     "Split the record, or leave out what is not needed."),
    ("record-field-empty", ERROR, "1", "A column is empty.", "Write a dot for a missing value."),
    ("record-order", ERROR, "1.6.1 (up to 4.4)", "Positions of one contig are not in order.",
     "Sort the file (bcftools sort)."),
    ("record-order-4.5", WARNING, "1.6.1 (4.5)", "Positions of one contig are not in order.",
     "Sort the file (bcftools sort)."),
    ("record-contiguous", ERROR, "1.6.1", "The records of one contig are not next to each other.",
     "Sort the file (bcftools sort)."),
    ("record-duplicate", ERROR, "1.6.1 (up to 4.4)", "The same variant is given twice.",
     "Merge the records (bcftools norm -d exact, or -m)."),
    ("record-duplicate-4.5", WARNING, "1.6.2 (4.5)", "The same variant is given twice.",
     "Merge the records (bcftools norm -d exact, or -m)."),
)  # fmt: skip
_rules(
    "CHROM",
    ("chrom-name", ERROR, "1.4.7, 1.6.1", "CHROM is not the name of a contig.",
     "Use a name without white space, comma, colon and brackets."),
    ("chrom-undeclared", WARNING, "1.4.7", "A contig has no ##contig line, while others have.",
     "Add ##contig=<ID=...,length=...>."),
)  # fmt: skip
_rules(
    "POS",
    ("pos-number", REJECT, "1.6.1", "POS is not a 32-bit whole number, zero or greater.",
     "Write the 1-based position of the first base of REF."),
    ("pos-range", ERROR, "1.6.1", "POS is beyond the end that the contig's header line gives.",
     "Check the position and the length of the contig."),
)  # fmt: skip
_rules(
    "ID",
    ("id-syntax", ERROR, "1.6.1", "ID is not a list of names separated by semicolons.",
     "Remove white space and empty names; write a dot for none."),
    ("id-repeated", ERROR, "1.6.1 (from 4.3)", "ID gives a name twice.", "Keep one of them."),
)  # fmt: skip
_rules(
    "REF",
    ("ref-bases", REJECT, "1.6.1", "REF is not a sequence of A, C, G, T, N.",
     "Write the reference's bases; replace other IUPAC codes by the first base they stand for."),
)  # fmt: skip
_rules(
    "ALT",
    ("alt-syntax", REJECT, "1.6.1",
     "ALT has an allele that is neither bases, *, <ID> nor a breakend.",
     "Separate alleles by single commas; write a dot for none."),
    ("alt-symbol", ERROR, "1.4.5",
     "A symbolic allele's ID is not one that the specification allows.",
     "Use DEL, INS, DUP, INV or CNV as the first level, without white space, commas and brackets."),
    ("alt-breakend", ERROR, "5.4", "A breakend is not of the form t[p[, t]p], ]p]t or [p[t.",
     "Write the bases at one side and CONTIG:POSITION between two brackets of one kind."),
    ("alt-bnd", ERROR, "1.4.5 (from 4.4)", "<BND> is no symbolic allele any more.",
     "Write a breakend, for instance G[17:198982[."),
    ("alt-reference", ERROR, "1.6.1", "An allele in ALT is the same as REF.", "Remove it."),
    ("alt-repeated", ERROR, "1.6.1", "ALT gives an allele twice.", "Keep one of them."),
)  # fmt: skip
_rules(
    "QUAL",
    ("qual-number", ERROR, "1.6.1", "QUAL is not a number, zero or greater.",
     "Write a Phred-scaled number, or a dot."),
)  # fmt: skip
_rules(
    "FILTER",
    ("filter-syntax", ERROR, "1.6.1", "FILTER is not PASS, a dot or a list of names.",
     "Separate names by semicolons; no white space, no empty name, no dot beside a name."),
    ("filter-zero", ERROR, "1.6.1", "FILTER is 0, which is reserved.",
     "Write PASS, a dot or the filters that failed."),
    ("filter-repeated", ERROR, "1.6.1 (from 4.3)", "FILTER gives a name twice.",
     "Keep one of them."),
    ("filter-undeclared", WARNING, "1.4.3", "A filter has no ##FILTER line.", "Add it."),
)  # fmt: skip
_rules(
    "INFO",
    ("info-syntax", ERROR, "1.6.1",
     "INFO is not a list of KEY or KEY=value, or has an empty entry.",
     "Separate entries by single semicolons; write a dot for none."),
    ("info-key", ERROR, "1.6.1", "An INFO key has a character that it may not have.",
     "Use letters, digits, underscore and dot; start with a letter or an underscore."),
    ("info-repeated", ERROR, "1.6.1 (from 4.3)", "An INFO key is given twice.",
     "Keep one of them."),
    ("info-repeated-4.2", WARNING, "1.6.1 (up to 4.2)", "An INFO key is given twice.",
     "Keep one of them."),
    ("info-whitespace", ERROR, "1.6.1 (up to 4.2)", "An INFO value contains white space.",
     "Replace it, for instance by an underscore."),
    ("info-percent", ERROR, "1.2 (from 4.3)", "A percent sign is not followed by two hex digits.",
     "Write %25 for a percent sign."),
    ("info-count", ERROR, "1.4.2, 3", "An INFO key has another number of values than declared.",
     "Correct the values, or Number in the ##INFO line."),
    ("info-type", ERROR, "1.3", "An INFO value is not of the declared type.",
     "Correct the value, or Type in the ##INFO line."),
    ("info-range", ERROR, "1.3 (from 4.3)", "An Integer is outside -2147483640 to 2147483647.",
     "Declare the key as Float or String, or correct the value."),
    ("info-flag", ERROR, "1.4.2", "A Flag has a value.", "Write the key alone."),
    ("info-value", ERROR, "1.6.1, 3", "A reserved INFO key has a value that it may not have.",
     "See the reserved keys of the specification."),
    ("info-end", ERROR, "1.6.1", "END lies before POS.", "Correct END or POS."),
    ("info-undeclared", WARNING, "1.4.2", "An INFO key has no ##INFO line.", "Add it."),
    ("info-sv-length", WARNING, "3 (from 4.4)",
     "A structural variant's symbolic allele has neither SVLEN nor END.", "Add SVLEN."),
    ("info-sv-claim", WARNING, "3 (from 4.4)", "A <DEL> or <DUP> has no SVCLAIM.",
     "Add SVCLAIM: D, J or DJ."),
    ("info-repeat-length", ERROR, "3 (from 4.4)",
     "RUS, RUL, RUC, RB, CIRUC, CIRB or RUB have another number of values than RN says.",
     "Give one value for each repeat (two for the intervals)."),
)  # fmt: skip
_rules(
    "FORMAT",
    ("format-syntax", ERROR, "1.6.2", "FORMAT is not a list of keys separated by colons.",
     "Use letters, digits, underscore and dot (letters and digits alone up to 4.2)."),
    ("format-gt-first", ERROR, "1.6.2", "GT is not the first key of FORMAT.", "Put it first."),
    ("format-repeated", ERROR, "1.6.2 (from 4.3)", "FORMAT gives a key twice.",
     "Keep one of them."),
    ("format-undeclared", WARNING, "1.4.4", "A FORMAT key has no ##FORMAT line.", "Add it."),
    ("format-laa", ERROR, "1.6.2 (4.5)",
     "FORMAT has a local-allele key, and LAA does not come before it.", "Put LAA after GT."),
)  # fmt: skip
_rules(
    "sample",
    ("sample-fields", ERROR, "1.6.2", "A sample has more values than FORMAT has keys.",
     "Give one value for each key."),
    ("sample-empty", ERROR, "1", "A value of a sample is empty.",
     "Write a dot for a missing value."),
    ("sample-gt", ERROR, "1.6.2", "A genotype is not alleles separated by / or |.",
     "Write for instance 0/1, 1|0, ./. or, for a haploid call, 1."),
    ("sample-gt-allele", ERROR, "1.6.2", "A genotype has an allele that the record has not.",
     "Use 0 for REF and 1 to the number of alleles in ALT."),
    ("sample-count", ERROR, "1.4.4, 1.6.2",
     "A sample has another number of values than declared, or than its ploidy asks.",
     "Correct the values, or Number in the ##FORMAT line."),
    ("sample-type", ERROR, "1.3", "A sample's value is not of the declared type.",
     "Correct the value, or Type in the ##FORMAT line."),
    ("sample-range", ERROR, "1.3 (from 4.3)", "An Integer is outside -2147483640 to 2147483647.",
     "Declare the key as Float or String, or correct the value."),
    ("sample-value", ERROR, "1.6.2", "A reserved key has a value that it may not have.",
     "See the reserved genotype keys of the specification."),
    ("sample-laa", ERROR, "1.6.2 (4.5)", "LAA is not a list of different alleles of ALT.",
     "Use each number from 1 to the number of alleles in ALT at most once."),
    ("sample-phase", ERROR, "1.6.2 (from 4.4)", "A sample has both PS and PSL.",
     "Use one of them."),
)  # fmt: skip
