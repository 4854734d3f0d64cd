"""The header lines and INFO keys that an annotation adds, and only those.

Before the #CHROM line come, in this order: the engine's INFO line, the INFO line of ``GAS_WARN``,
and one ``##GAS`` line that says what made them. Nothing in them depends on the time, the machine,
a path or the number of workers. Where the input has one of our keys already, its own is kept and
ours takes another name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gas import __version__
from gas.annotate.engines import Engine
from gas.annotate.fit import WARN_KEY
from gas.annotate.pack import Pack

_INFO_ID = re.compile(rb"##INFO=<(?:[^\"]*,)?ID=([^,>]+)")
_GAS_ID = re.compile(rb"##GAS=<ID=([^,>]+)")
_WARN_DESCRIPTION = (
    "Why GAS did not annotate this record; REF_MISMATCH: REF differs from the reference genome"
)


@dataclass(frozen=True)
class Keys:
    """INFO keys of this run. ``engine`` and ``warn`` are what the engine calls them."""

    engine: str
    engine_as: str
    warn_as: str = WARN_KEY
    #: Keys of the pack's allele sources that are added; ``omitted``: those that the input has.
    sources: tuple[str, ...] = ()
    omitted: frozenset[str] = frozenset()

    @property
    def renames(self) -> bool:
        """Does any key go by another name?"""
        return self.engine != self.engine_as or self.warn_as != WARN_KEY or bool(self.omitted)

    def rename(self, entry: bytes) -> bytes:
        """An engine's INFO entry under the keys of this run."""
        if not self.renames:
            return entry
        names = {self.engine: self.engine_as, WARN_KEY: self.warn_as}
        parts = (part.partition(b"=") for part in entry.split(b";"))
        return b";".join(
            names.get(key.decode(), key.decode()).encode() + equals + value
            for key, equals, value in parts
            if key.decode() not in self.omitted
        )


def choose_keys(engine_key: str, taken: Collection[str], sources: Sequence[str] = ()) -> Keys:
    """Keys that the input does not have. ``taken``: its INFO keys. ``sources``: keys of allele
    sources, of which those that the input has are left out: its own values stay."""
    own = _free(engine_key, taken)
    added = tuple(key for key in sources if key not in taken)
    warn = _free(WARN_KEY, {*taken, own})
    return Keys(engine_key, own, warn, added, frozenset(sources) - frozenset(added))


def source_fields(engine: Engine, pack: Pack) -> list[Any]:
    """What ``engine`` adds beside its own key: the fields of the pack's allele sources
    (``gas.annotate.sources.SourceField``)."""
    extra = getattr(engine, "extra_info", None)
    return list(extra(pack)) if extra is not None else []


def _free(key: str, taken: Collection[str]) -> str:
    names = [key] if key.startswith("GAS_") else [key, f"GAS_{key}"]
    names += [f"{names[-1]}_{number}" for number in range(2, len(taken) + 3)]
    return next(name for name in names if name not in taken)


def declared(header: list[bytes]) -> set[str]:
    """INFO keys that a header declares."""
    found = (_INFO_ID.match(line) for line in header)
    return {match[1].decode("utf-8", "replace") for match in found if match}


def extend(
    header: list[bytes],
    keys: Keys,
    engine: Engine,
    pack: Pack,
    options: Mapping[str, str] | None = None,
) -> list[bytes]:
    """The header with our lines before its last one, the #CHROM line, ended as that one is.
    ``options`` are those that the engine was given."""
    chosen = "; ".join(f"{name}={value}" for name, value in sorted((options or {}).items()))
    data = engine.data(pack) if hasattr(engine, "data") else ""
    chrom = header[-1]
    end = chrom[len(chrom.rstrip(b"\r\n")) :] or b"\n"
    info = engine.info()
    layout = f"{info.description}. Format: {'|'.join(info.columns)}"
    lines = [
        *(
            _line(
                "INFO",
                ID=field.info,
                Number="A" if field.key != "name" else ".",
                Type=field.type,
                Description=_quoted(field.description),
            )
            for field in source_fields(engine, pack)
            if field.info in keys.sources
        ),
        _line("INFO", ID=keys.engine_as, Number=".", Type="String", Description=_quoted(layout)),
        _line(
            "INFO",
            ID=keys.warn_as,
            Number=".",
            Type="String",
            Description=_quoted(_WARN_DESCRIPTION),
        ),
        _line(
            "GAS",
            ID=_free_id(header),
            Version=_quoted(__version__),
            Engine=_quoted(engine.name),
            EngineVersion=_quoted(engine.version()),
            **({"EngineOptions": _quoted(chosen)} if chosen else {}),
            **({"EngineData": _quoted(data)} if data else {}),
            Key=keys.engine_as,
            WarnKey=keys.warn_as,
            **({"SourceKeys": _quoted("|".join(keys.sources))} if keys.sources else {}),
            Reference=_quoted(pack.name),
            Assembly=_quoted(pack.assembly),
            ReferenceVersion=_quoted(pack.version),
            ReferenceDigest=_quoted(f"sha256:{pack.digest}"),
        ),
    ]
    return [*header[:-1], *(line.encode() + end for line in lines), chrom]


def _free_id(header: list[bytes]) -> str:
    found = (_GAS_ID.match(line) for line in header)
    taken = {match[1].decode("utf-8", "replace") for match in found if match}
    names = ["annotation", *(f"annotation_{number}" for number in range(2, len(taken) + 2))]
    return next(name for name in names if name not in taken)


def _line(kind: str, **values: str) -> str:
    return f"##{kind}=<{','.join(f'{key}={value}' for key, value in values.items())}>"


def _quoted(text: str) -> str:
    clean = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{clean}"'
