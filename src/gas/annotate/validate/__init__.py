"""The VCF validator: strict means the specification (4.1 to 4.5), the default is what uploads get.

    validate_file   a whole file -> Report
    validate_head   its first bytes, so that a person hears at once -> Report
    Validator       the same as a filter over a stream, for the annotator
    RULES           every rule; docs/validation.md lists them for people

Parts: ``spec`` and ``reserved`` what the specification fixes; ``meta``, ``kinds`` and ``header``
the header; ``fixed``, ``info``, ``structural``, ``formats`` and ``samples`` the columns; ``order``
what runs along the records; ``values`` types and counts; ``rules`` and ``report`` findings;
``glance`` looks at many records at once; ``stream``, ``files`` and ``head`` put them together.
"""

from __future__ import annotations

from gas.annotate.validate.files import validate_file
from gas.annotate.validate.head import validate_head
from gas.annotate.validate.report import Finding, Report
from gas.annotate.validate.rules import RULES, Level, Rule
from gas.annotate.validate.stream import Validator

__all__ = [
    "RULES",
    "Finding",
    "Level",
    "Report",
    "Rule",
    "Validator",
    "validate_file",
    "validate_head",
]
