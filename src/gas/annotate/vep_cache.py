"""The Ensembl VEP cache that goes with a pack, where its owner has given it one.

The manifest says ``"vep_cache": {"folder": NAME, "release": 115, "type": "ensembl", "contigs":
[...], "sources": {...}}``; the folder lies in the pack, or is a link there to where the cache is.
``gas.reference.add_vep_cache`` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gas.annotate.pack import Pack
from gas.errors import PackError

KEY = "vep_cache"


@dataclass(frozen=True)
class VepCache:
    """``path``: in the form that vepyr reads. ``contigs``: those that it has something of.
    ``sources``: versions of what went into it, as its own info.txt tells."""

    path: Path
    release: int
    type: str
    contigs: tuple[str, ...]
    sources: Mapping[str, str]

    @classmethod
    def of(cls, pack: Pack) -> VepCache:
        """The cache of ``pack``. Raises PackError where it has none."""
        entry = pack.manifest.get(KEY)
        if entry is None:
            raise PackError(
                f"The reference {pack.name} has no VEP cache.",
                hint=f"Give it yours: gas reference add-vep-cache {pack.name} FOLDER.",
            )
        try:
            values = cast(dict[str, Any], entry)
            found = cls(
                path=pack.path / str(values["folder"]),
                release=int(values["release"]),
                type=str(values["type"]),
                contigs=tuple(map(str, values["contigs"])),
                sources={str(k): str(v) for k, v in values["sources"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PackError(
                f"The manifest of {pack.name} describes its VEP cache badly ({error})."
            ) from None
        if not found.path.is_dir():
            raise PackError(
                f"The VEP cache of {pack.name} is not where it was: {found.path.resolve()}.",
                hint="Add it again with gas reference add-vep-cache.",
            )
        return found

    @property
    def title(self) -> str:
        """One line that names it and what it was made of."""
        made_of = "".join(f"; {name} {version}" for name, version in self.sources.items())
        return f"Ensembl VEP cache {self.release}, {self.type}{made_of}"
