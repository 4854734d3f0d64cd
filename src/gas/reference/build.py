"""Build a reference pack from FASTA and GFF3."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gas.annotate.compile import compile_model
from gas.annotate.genes import Fault
from gas.annotate.model import model_path
from gas.annotate.pack import MANIFEST, Pack
from gas.errors import PackError
from gas.reference import manifest
from gas.reference.fasta import write_genome
from gas.reference.gff import GeneModels, write_genes
from gas.reference.packs import check_name

README = "README.md"
#: Faults of the gene models that are named one by one; of the others the number is told.
MAX_FAULTS = 20


@dataclass(frozen=True)
class Built:
    """The new pack, and notes for the person who built it."""

    pack: Pack
    notes: list[str]


def build(
    name: str,
    fastas: Sequence[Path],
    gffs: Sequence[Path],
    folder: Path,
    *,
    assembly: str = "",
    version: str = "1",
    source: str = "",
    readme: Path | None = None,
    replace_existing: bool = False,
    rename: Callable[[str], str] | None = None,
) -> Built:
    """Build the pack ``folder/name``. Files may be plain, gzip or BGZF; several are joined.

    ``rename`` gives the contigs of both the names that they have in the pack.
    The gene models are read as the engine ``gas`` reads them and compiled into the pack, so that it
    opens fast from a folder that cannot be written to. What is wrong with a gene is a note with its
    line; a transcript whose consequences would be wrong is left out. The same files give the same
    pack, byte for byte, with the same version of pysam. The pack appears whole or not at all.
    Raises PackError, naming file and line, and where no gene can be used.
    """
    check_name(name)
    with new_pack(folder, name, replace_existing) as draft:
        contigs = write_genome(fastas, draft, rename)
        lengths = {contig.name: contig.length for contig in contigs}
        models = write_genes(gffs, lengths, draft, rename)
        if readme is not None:
            shutil.copyfile(readme, draft / README)
        codes = models.genetic_codes
        coded = [replace(c, genetic_code=codes.get(c.name)) for c in contigs]

        def write_manifest() -> Pack:
            manifest.write(
                draft,
                name=name,
                assembly=assembly or name,
                version=version,
                source=source,
                contigs=coded,
                inputs=[*fastas, *gffs],
            )
            return Pack.open(draft)

        # The model is named by the files it is made of, as the first manifest has them.
        pack = write_manifest()
        faults = _compile(pack, models)
        write_manifest()
    return Built(Pack.open(folder / name), [*models.notes, *_told(faults, models)])


def _compile(pack: Pack, models: GeneModels) -> list[Fault]:
    try:
        return compile_model(pack, model_path(pack, pack.path))
    except PackError as error:
        hint = models.in_input(error.hint)
        raise PackError("No gene of these gene models can be used.", hint=hint) from None


def _told(faults: Sequence[Fault], models: GeneModels) -> list[str]:
    """Faults as notes: the first of them, and how many there are."""
    notes = [models.in_input(str(fault)) for fault in faults[:MAX_FAULTS]]
    left_out = sum(fault.left_out for fault in faults)
    if len(faults) > MAX_FAULTS:
        notes.append(f"... and {len(faults) - MAX_FAULTS:,} more faults of the gene models.")
    if left_out:
        notes.append(f"{left_out:,} transcripts were left out, as told above or like them.")
    return notes


@contextmanager
def new_pack(folder: Path, name: str, replace_existing: bool) -> Iterator[Path]:
    """A draft folder that becomes ``folder/name`` when all went well, and vanishes otherwise."""
    target = folder / name
    if target.exists() and not replace_existing:
        raise PackError(
            f"There is a reference {name} already.", hint="Remove it first, or choose a new name."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder))
    except OSError as error:
        raise PackError(f"{folder} cannot be written to ({error.strerror}).") from None
    try:
        yield draft
        if not (draft / MANIFEST).is_file():
            raise PackError(f"The pack {name} has no {MANIFEST}.")
        draft.chmod(0o755)
        for file in draft.iterdir():
            file.chmod(0o644)
        if target.exists():
            shutil.rmtree(target)
        draft.replace(target)
    except OSError as error:
        raise PackError(f"The reference could not be written ({error}).") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
