"""Add an allele source (ClinVar, gnomAD, dbSNP, any VCF or BED) to an installed pack."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gas.annotate.contigs import ContigNames
from gas.annotate.model import open_model
from gas.annotate.pack import Pack
from gas.annotate.sources import SourceSpec, specs_of
from gas.annotate.sources_compile import Compiled, compile_source
from gas.errors import PackError
from gas.reference import manifest

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")


def add_source(
    pack: Pack,
    name: str,
    files: Sequence[Path],
    *,
    fields: Sequence[str] | None = None,
    ids: bool | None = None,
) -> Compiled:
    """Compile ``files`` (VCF or BED, one kind) into ``pack`` as the source ``name``; one of that
    name is replaced.

    ``fields``: INFO keys to take (default: the well-known ones of that name, else all). ``ids``:
    whether the ID column holds identifiers for Existing_variation (default: for dbSNP). The pack
    has the source whole or not at all, and runs that read the pack meanwhile are not disturbed.
    Raises PackError, naming the file's line where there is one.
    """
    if not _NAME.fullmatch(name):
        raise PackError(
            f"{name!r} cannot name a source.",
            hint="Use letters, digits and underscores, a letter first: it begins INFO keys.",
        )
    part = pack.path / f".source-{name}-{secrets.token_hex(4)}"
    try:
        with TemporaryDirectory() as scratch:
            model = open_model(pack, Path(scratch))
            try:
                names = ContigNames.of(pack)
                compiled = compile_source(name, files, part, model, names, fields, ids)
            finally:
                model.close()
        # Named by its content: whoever has an older one mapped keeps it.
        target = pack.path / f"source-{name}-{manifest.sha256(part)[:8]}.bin"
        part.replace(target)
        spec = replace(compiled.spec, file=target.name)
        old = [known.file for known in specs_of(pack) if known.name == name]
        _write_manifest(pack, spec, target)
    except OSError as error:
        raise PackError(f"{pack.path} cannot be written to ({error.strerror}).") from None
    finally:
        part.unlink(missing_ok=True)
    for file_name in old:
        if file_name != target.name:
            (pack.path / file_name).unlink(missing_ok=True)
    return replace(compiled, spec=spec)


def _write_manifest(pack: Pack, spec: SourceSpec, target: Path) -> None:
    def edit(values: dict[str, Any]) -> None:
        known = values.get("sources", [])
        gone = {entry["file"] for entry in known if entry["name"] == spec.name}
        values["sources"] = [
            *(entry for entry in known if entry["name"] != spec.name),
            spec.to_json(),
        ]
        files = {name: about for name, about in values["files"].items() if name not in gone}
        files[target.name] = {
            "sha256": manifest.sha256(target),
            "size_bytes": target.stat().st_size,
        }
        values["files"] = dict(sorted(files.items()))

    manifest.change(pack, edit)
