"""Writing a pack's manifest, and holding its files against it."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gas.annotate.model import MODEL_PREFIX
from gas.annotate.pack import MANIFEST, Pack
from gas.errors import PackError

_READ_BYTES = 1 << 20
_FORMAT = 1


@dataclass(frozen=True)
class Contig:
    """``md5`` is that of the upper-case sequence, as in a SAM header's M5. ``genetic_code`` is
    NCBI's number where the gene models name one."""

    name: str
    length: int
    md5: str
    genetic_code: int | None = None

    def to_json(self) -> dict[str, object]:
        values: dict[str, object] = {"name": self.name, "length": self.length, "md5": self.md5}
        if self.genetic_code is not None:
            values["genetic_code"] = self.genetic_code
        return values


def write(
    folder: Path,
    *,
    name: str,
    assembly: str,
    version: str,
    source: str,
    contigs: Iterable[Contig],
    inputs: Iterable[Path],
) -> None:
    """Write the manifest of the pack in ``folder``, with every file that is there."""
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    values = {
        "format": _FORMAT,
        "name": name,
        "assembly": assembly,
        "version": version,
        "source": source,
        "contigs": [contig.to_json() for contig in contigs],
        "files": {
            path.name: {"sha256": sha256(path), "size_bytes": path.stat().st_size} for path in files
        },
        "built_from": [{"name": path.name, "sha256": sha256(path)} for path in inputs],
    }
    (folder / MANIFEST).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def change(pack: Pack, edit: Callable[[dict[str, Any]], None]) -> None:
    """Let ``edit`` change the values of a pack's manifest, and write it whole or not at all."""
    values = json.loads((pack.path / MANIFEST).read_bytes())
    edit(values)
    part = pack.path / f".{MANIFEST}-{secrets.token_hex(4)}"
    try:
        part.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        part.replace(pack.path / MANIFEST)
    finally:
        part.unlink(missing_ok=True)


def verify(pack: Pack, on_file: Callable[[str], None] = lambda name: None) -> None:
    """Read every file of a pack and hold it against the manifest. A compiled model may be missing:
    a later version of GAS makes its own and removes the one that was built with the pack.

    ``on_file`` is told each name before it is read. Raises PackError naming all that differ.
    """
    files = pack.manifest.get("files")
    if not isinstance(files, dict) or not files:
        raise PackError(f"The manifest of {pack.name} lists no files.")
    faults = []
    for name, expected in files.items():
        on_file(name)
        path = pack.path / name
        if name.startswith(MODEL_PREFIX) and not path.exists():
            continue
        if Path(name).name != name or not path.is_file():
            faults.append(f"{name} is missing")
        elif path.stat().st_size != expected.get("size_bytes"):
            faults.append(f"{name} has {path.stat().st_size:,} bytes, not those of the manifest")
        elif sha256(path) != expected.get("sha256"):
            faults.append(f"{name} differs from its sha256")
    if faults:
        raise PackError(
            f"The reference {pack.name} is damaged: {'; '.join(faults)}.",
            hint="Install or build it again.",
        )


def sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()
