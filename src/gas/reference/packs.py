"""Where reference packs live: those shipped with GAS, and those installed in the data folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gas.annotate.pack import MANIFEST, Pack
from gas.errors import PackError

SHIPPED = Path(__file__).parent / "packs"

#: Folder beside the installed packs for what is compiled from those whose own folder is read-only.
_CACHE = ".compiled"

_is_name = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch


def roots(installed: Path) -> tuple[Path, ...]:
    """The folders to look in, ``installed`` being that of this machine's own packs."""
    return (SHIPPED, installed)


def check_name(name: str) -> str:
    """``name``, where it can name a pack. Raises PackError."""
    if not _is_name(name):
        raise PackError(
            f"{name!r} cannot name a reference.",
            hint="Use letters, digits, dots, dashes and underscores; at most 64.",
        )
    return name


def find(name: str, folders: Sequence[Path]) -> Pack:
    """The pack called ``name``; the first folder that has it wins. What is compiled from a pack
    that cannot be written to is kept in the last folder, that of the installed ones. Raises
    PackError where none has it, saying which there are."""
    if _is_name(name):
        for folder in folders:
            if (folder / name / MANIFEST).is_file():
                return Pack.open(folder / name, folders[-1] / _CACHE / name)
    there = ", ".join(pack.name for pack in available(folders)) or "none yet"
    raise PackError(f"There is no reference {name!r} here.", hint=f"References here: {there}.")


def available(folders: Sequence[Path]) -> list[Pack]:
    """Every pack that ``find`` can find, by name."""
    found: dict[str, Pack] = {}
    for folder in folders:
        for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
            if _is_name(manifest.parent.name):
                found.setdefault(manifest.parent.name, Pack.open(manifest.parent))
    return [found[name] for name in sorted(found)]
