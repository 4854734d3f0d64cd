"""The one tree of errors.

The docstring of a class is its default message. ``permanent`` decides what the job engine does:
a permanent error ends a job as FAILED with this sentence, any other is tried again with backoff.
What a person reads says what happened, where, and what to do next; nothing else may reach a page,
a mail or an API answer.
"""

from __future__ import annotations


class GasError(Exception):
    """Something went wrong."""

    permanent = True
    #: A stable word for machines, used in the API's problem+json and in a job's failure code.
    code = "error"

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str = "",
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        """``line`` and ``column`` are 1-based positions in the user's file; ``column`` counts
        tab-separated VCF columns."""
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.hint = hint
        self.line = line
        self.column = column
        super().__init__(str(self))

    def __str__(self) -> str:
        where = ""
        if self.line is not None:
            where = f"line {self.line}"
            if self.column is not None:
                where += f", column {self.column}"
            where += ": "
        return where + self.message + (f" {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders; keep every attribute.
        return (_rebuild, (type(self), self.message, self.hint, self.line, self.column))


def _rebuild(
    kind: type[GasError], message: str, hint: str, line: int | None, column: int | None
) -> GasError:
    return kind(message, hint=hint, line=line, column=column)


class TransientError(GasError):
    """A part of the service did not answer. GAS tries again by itself."""

    permanent = False
    code = "transient"


class NeedsOperator(TransientError):
    """A part of this service is out of order. Its operator has to mend it; nothing is lost."""

    code = "needs-operator"


class InputError(GasError):
    """This file cannot be annotated."""

    code = "bad-input"


class PackError(GasError):
    """This reference cannot be used."""

    code = "bad-reference"


class EngineError(GasError):
    """The annotation engine failed."""

    code = "engine-failed"


class Cancelled(GasError):
    """The run was cancelled."""

    code = "cancelled"
