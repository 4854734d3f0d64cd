"""The engine port: how GAS asks "what does every variant do to every gene?"

An engine never writes a record. It is handed records in the output's order and answers, record by
record, with the INFO entry to add; ``gas.annotate.run`` grafts it onto the original bytes. So no
engine can change, drop or reorder what a researcher uploaded.

A new engine is one new file in this folder, one line in ``ENGINES``, and passes the engine
contract suite (tests/contract/test_engines.py).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gas.annotate.pack import Pack
from gas.errors import EngineError

#: One record: the line, without its end, split at its first eight tabs (at most nine items; the
#: ninth, where present, is FORMAT and every sample column, never parsed).
Record = list[bytes]


@dataclass(frozen=True)
class InfoField:
    """The INFO key that an engine adds, and the layout of its value.

    The summary finds its columns by name: ``Consequence``; ``SYMBOL`` or ``gene``; ``BIOTYPE`` or
    ``biotype``; ``Feature`` or ``transcript``; ``HGVSp``, ``HGVSc``, ``amino_acid_change`` or
    ``dna_change``.
    """

    key: str
    #: One sentence without its full stop; the run adds ``. Format: A|B|C`` from ``columns``.
    description: str
    #: Names of the ``|``-separated columns of one comma-separated entry of the value.
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Context:
    """What a run lends its engine."""

    #: A private folder, removed after the run.
    scratch: Path
    workers: int = 1
    #: Raises ``gas.errors.Cancelled`` once the run is to stop; cheap, call it often.
    check_cancelled: Callable[[], None] = field(default=lambda: None)


class Source(Protocol):
    """An input VCF that an engine may read through before it is asked (``gas.annotate.vcf``); for
    an engine that is ``parallel`` perhaps a part of one."""

    def records(self) -> Iterator[tuple[int, Record]]:
        """Every record in the output's order and its 1-based line number. Each call starts anew."""
        ...


class Session(Protocol):
    """An engine at work on one input."""

    def annotate(self, records: Sequence[Record]) -> Sequence[bytes]:
        """The INFO entry (``KEY=value``, several joined by ``;``) of each record; ``b""``: none.

        ``GAS_WARN=REF_MISMATCH`` alone where REF differs from the reference. The records are the
        run's: an engine does not change them. Called with consecutive slices of the source's
        records. Where the engine is ``parallel`` slices may come in any order and from several
        processes at once.
        """
        ...


class TallyingSession(Session, Protocol):
    """A session that can say what its entries mean without their being read again.

    A run that finds this method calls it in place of ``annotate``. The second list holds, for each
    record, what ``gas.annotate.summary.Layout.heads`` would find in its entry: a tuple with one
    item per row, the row's columns from the consequence to the gene and its biotype joined by
    ``|``; or None where there is no entry of the engine's key. Sharing equal tuples saves time.
    """

    def annotate_with_heads(
        self, records: Sequence[Record]
    ) -> tuple[Sequence[bytes], Sequence[tuple[bytes, ...] | None]]: ...


class KnowingSession(Session, Protocol):
    """A session that can say which records somebody has seen before."""

    #: Places, in the last slice, of records with an ALT allele that an allele source of the
    #: reference lists; None where there is none to ask.
    known: Collection[int] | None
    #: The place of each record in the last slice whose ID is to be filled where it is ``.``, and
    #: with what; empty where nobody asked for it.
    ids: Mapping[int, bytes]


class Engine(Protocol):
    """One way to annotate. Stateless: a session holds the state.

    It may have ``data(pack) -> str``, what it reads in place of the pack's gene models, as it goes
    into the header; and ``extra_info(pack)``, the INFO keys that it adds beside its own.
    """

    name: str
    #: True where ``Session.annotate`` depends on its arguments alone, so that slices of a file may
    #: be worked on by several processes, on several hosts.
    parallel: bool

    def version(self) -> str:
        """Name and version of the software, as it goes into the header."""
        ...

    def info(self) -> InfoField:
        """The key that this engine adds."""
        ...

    def open(self, source: Source, pack: Pack, context: Context) -> AbstractContextManager[Session]:
        """Get ready. Raises EngineError, PackError or Cancelled."""
        ...


#: What annotates where nobody chose.
DEFAULT = "gas"

#: name -> "module:class". One line per engine; imported only when asked for.
ENGINES: dict[str, str] = {
    "csq": "gas.annotate.engines.csq:CsqEngine",
    "gas": "gas.annotate.engines.gas:GasEngine",
    "vep": "gas.annotate.engines.vep:VepEngine",
}

#: engine -> (module, the lock file that has it): what the plain package does not bring.
EXTRAS: dict[str, tuple[str, str]] = {"vep": ("vepyr", "requirements-vep.lock")}


def offered() -> list[str]:
    """The engines whose parts are all installed here."""
    return [name for name in ENGINES if name not in EXTRAS or _is_there(EXTRAS[name][0])]


def check_installed(name: str) -> None:
    """Raises EngineError where a part of the engine ``name`` is not installed here."""
    module, lock = EXTRAS.get(name, ("", ""))
    if module and not _is_there(module):
        raise EngineError(
            f"The engine {name} needs the package {module}, which is not installed here.",
            hint=f"Install it, in GAS's folder: pip install -r {lock}.",
        )


def _is_there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def load(name: str, options: Mapping[str, str] | None = None) -> Engine:
    """The engine called ``name``, or the class at a dotted path ``module:Class``.

    ``options`` go to the class's own ``with_options``, where it has one. Raises EngineError where
    there is no such engine, or one that does not take these options.
    """
    spec = ENGINES.get(name, name)
    module, _, attribute = spec.partition(":")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise unknown(name) from error
    if options and not hasattr(kind, "with_options"):
        raise EngineError(
            f'The engine "{name}" takes no options.', hint=f"Leave out {', '.join(options)}."
        )
    engine: Engine = kind.with_options(options) if options else kind()
    return engine


def unknown(name: str) -> EngineError:
    """The error that says there is no engine ``name``, and which there are."""
    known = ", ".join(sorted(ENGINES))
    return EngineError(f'There is no engine "{name}".', hint=f"Engines here: {known}.")
