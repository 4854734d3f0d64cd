"""Give a pack the Ensembl VEP cache of its owner, for the engine ``vep``.

A cache as Ensembl distributes it (``homo_sapiens/115_GRCh38``, with its info.txt) is converted into
the pack by vepyr; one that vepyr converted before is linked to where it is.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

from gas.annotate import assemblies
from gas.annotate.engines import check_installed
from gas.annotate.pack import Pack
from gas.annotate.vep_cache import KEY, VepCache
from gas.errors import PackError
from gas.reference import manifest

_RAW = re.compile(r"(?P<release>\d+)_(?P<assembly>\w+)")
_CONVERTED = re.compile(r"(?P<release>\d+)_(?P<assembly>\w+)_(?P<type>ensembl|merged|refseq)")
_INFO = "info.txt"
#: What of info.txt is worth a place in the header of a result.
_SOURCES = ("gencode", "dbSNP", "ClinVar", "gnomADe", "gnomADg", "1000genomes")


def add_vep_cache(pack: Pack, folder: Path) -> VepCache:
    """Tie the cache in ``folder`` to ``pack``; one that it had is replaced. The pack has it whole
    or not at all. Raises PackError, and EngineError where vepyr is not installed."""
    folder = folder.resolve()
    raw = (folder / _INFO).is_file()
    found = (_RAW if raw else _CONVERTED).fullmatch(folder.name)
    if found is None or not (raw or (folder / "transcript").is_dir()):
        raise PackError(
            f"{folder} is no VEP cache.",
            hint="Give the folder that holds info.txt, such as ~/.vep/homo_sapiens/115_GRCh38, or "
            "one that vepyr made, such as 115_GRCh38_ensembl.",
        )
    if assemblies.named(pack.assembly) != assemblies.named(found["assembly"]):
        raise PackError(
            f"The cache is of {found['assembly']}, {pack.name} of {pack.assembly}.",
            hint="Choose the cache of the same assembly.",
        )
    target = pack.path / f"vep-{folder.name}-{secrets.token_hex(4)}"
    try:
        if raw:
            kind = _type_of(folder)
            _convert(folder, found, kind, target)
        else:
            kind = found["type"]
            target.symlink_to(folder)
        entry = {
            "folder": target.name,
            "release": int(found["release"]),
            "type": kind,
            "contigs": _contigs(target),
            "sources": _sources(folder) if raw else {},
        }
        old = pack.manifest.get(KEY)
        manifest.change(pack, lambda values: values.update({KEY: entry}))
    except OSError as error:
        _remove(target)
        raise PackError(f"{pack.path} cannot be written to ({error.strerror}).") from None
    except BaseException:
        _remove(target)
        raise
    if isinstance(old, dict):
        _remove(pack.path / str(old["folder"]))
    return VepCache.of(Pack.open(pack.path))


def _type_of(folder: Path) -> str:
    """Ensembl names the folder above by the kind: homo_sapiens, homo_sapiens_refseq, ..._merged."""
    kind = folder.parent.name.rpartition("_")[2]
    return kind if kind in ("refseq", "merged") else "ensembl"


def _convert(folder: Path, found: re.Match[str], kind: str, target: Path) -> None:
    check_installed("vep")
    import vepyr

    work = target.with_name(f".{target.name}")
    try:
        vepyr.build_cache(
            int(found["release"]),
            str(work),
            cache_type=kind,
            assembly=found["assembly"],
            local_cache=str(folder),
            show_progress=False,
        )
        made = work / f"{folder.name}_{kind}"
        if not (made / "transcript").is_dir():
            raise PackError(f"vepyr found no transcripts in {folder}.")
        made.rename(target)
    except (RuntimeError, ValueError, OSError) as error:
        raise PackError(f"vepyr cannot convert {folder} ({error}).") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _contigs(folder: Path) -> list[str]:
    listed: list[dict[str, Any]] = json.loads(
        (folder / "transcript" / "chrom_manifest.json").read_text()
    )
    return sorted({str(each["chrom"]) for each in listed})


def _sources(folder: Path) -> dict[str, str]:
    lines = (folder / _INFO).read_text(encoding="utf-8").splitlines()
    told = dict(line.split("\t", 1) for line in lines if "\t" in line)
    return {
        name: told[f"source_{name}"].removeprefix("GENCODE ")
        for name in _SOURCES
        if f"source_{name}" in told
    }


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)
