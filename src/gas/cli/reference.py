"""``gas reference``: the genomes and gene models to annotate with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from gas.annotate.sources_compile import Compiled
    from gas.reference.install import Progress

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Genomes and gene models to annotate with.",
)

_FORCE = typer.Option(False, "--force", help="Replace a reference of the same name.")


@app.command("list")
def list_() -> None:
    """List the references: name, assembly, version, contigs, and where each lives."""
    from gas.reference import packs

    for pack in packs.available(_folders()):
        bases = sum(pack.contigs.values())
        names = list(pack.contigs)
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        typer.echo(
            f"{pack.name}  {pack.assembly}  version {pack.version}  "
            f"contigs {shown} ({bases:,} bases)  {pack.path}"
        )


@app.command()
def build(
    name: str = typer.Argument(help="Name of the new reference."),
    fasta: list[Path] = typer.Option(
        ..., "--fasta", help="Genome, FASTA; plain, gzip or BGZF. May be given several times."
    ),
    gff: list[Path] = typer.Option(
        ..., "--gff", help="Gene models, GFF3; plain, gzip or BGZF. May be given several times."
    ),
    assembly: str = typer.Option(
        "", help="Assembly, such as GRCh38.", show_default="the reference's name"
    ),
    version: str = typer.Option("1", help="Version of genome and gene models together."),
    source: str = typer.Option("", help="Where the files are from, in a few words."),
    readme: Path | None = typer.Option(
        None, help="A text to put into the reference as README.md: sources and licences."
    ),
    folder: Path | None = typer.Option(
        None, help="Where to put it.", show_default="the data folder's references"
    ),
    force: bool = _FORCE,
) -> None:
    """Build a reference from a genome and its gene models.

    Contigs must have the same names in both. Features on contigs that the genome does not have are
    left out, with a note; anything malformed is refused, with its line.
    """
    from gas.reference.build import build as run

    built = run(
        name,
        fasta,
        gff,
        folder or _installed(),
        assembly=assembly,
        version=version,
        source=source,
        readme=readme,
        replace_existing=force,
    )
    for note in built.notes:
        typer.echo(f"Note: {note}")
    typer.echo(f"Built {built.pack.name}: {len(built.pack.contigs)} contigs, {built.pack.path}")


@app.command("add-source")
def add_source(
    name: str = typer.Argument(help="Name of the reference.", metavar="PACK"),
    source: str = typer.Argument(
        help="Name of the source; its INFO keys begin with it.", metavar="NAME"
    ),
    file: list[Path] = typer.Argument(
        exists=True, dir_okay=False, help="VCF or BED (.bed); several are read as one."
    ),
    field: list[str] = typer.Option(
        [],
        "--field",
        help="INFO key to take; may be given several times.",
        show_default="the well-known ones of clinvar, gnomad, dbsnp, mitomap; else all",
    ),
    ids: bool | None = typer.Option(
        None,
        "--ids/--no-ids",
        help="Take the ID column for Existing_variation.",
        show_default="for dbsnp",
    ),
) -> None:
    """Add what others know of alleles or places: ClinVar, gnomAD, dbSNP, any VCF or BED.

    The engine `gas` then writes the source's values as INFO keys NAME_KEY, and identifiers into
    Existing_variation. Alleles are found however they are written: both sides are trimmed and
    moved left. A source of the same name is replaced.
    """
    from gas.reference import packs
    from gas.reference.add_source import add_source as run

    pack = packs.find(name, _folders())
    done = run(pack, source, file, fields=field or None, ids=ids)
    _tell_source(pack.name, source, done)


@app.command("add-vep-cache")
def add_vep_cache(
    name: str = typer.Argument(help="Name of the reference.", metavar="PACK"),
    folder: Path = typer.Argument(
        exists=True,
        file_okay=False,
        help="Ensembl VEP cache: the folder with its info.txt, or one that vepyr made.",
    ),
) -> None:
    """Give a reference your Ensembl VEP cache, for the engine `vep`.

    A cache of Ensembl's is converted into the reference's folder, which takes room there; one that
    vepyr converted before is linked. A cache that the reference had is replaced.
    """
    from gas.reference import packs
    from gas.reference.add_vep_cache import add_vep_cache as run

    cache = run(packs.find(name, _folders()), folder)
    typer.echo(f"{name} has the {cache.title}: {len(cache.contigs)} contigs.")


@app.command()
def verify(name: str = typer.Argument(help="Name of the reference.")) -> None:
    """Read every file of a reference and compare it with the manifest's sha256."""
    from gas.reference import manifest, packs

    pack = packs.find(name, _folders())
    manifest.verify(pack, lambda file: typer.echo(f"  {file}"))
    typer.echo(f"{pack.name} is whole: sha256:{pack.digest}")


@app.command()
def recipes() -> None:
    """List the public references and allele sources that `gas reference install` knows by name."""
    from gas.reference.recipes import RECIPES

    for recipe in RECIPES.values():
        kind = "reference" if recipe.genes is not None else "source"
        typer.echo(
            f"{recipe.name}  {kind}  {recipe.about}  {recipe.assembly}  "
            f"about {recipe.size_gb:g} GB to download  {recipe.licence}"
        )


@app.command()
def install(
    file_or_url: str = typer.Argument(
        help="Recipe (`gas reference recipes`), or tar archive of one reference, or its address.",
        metavar="RECIPE|FILE|URL",
    ),
    reference: str = typer.Option(
        "", "--reference", "-r", help="Reference to add to, where the recipe is an allele source."
    ),
    mirror: str = typer.Option(
        "",
        "--mirror",
        metavar="URL",
        help="Where a copy of the recipe's files is, laid out as MIRROR/HOST/PATH.",
    ),
    force: bool = _FORCE,
) -> None:
    """Install a reference: a public one by its recipe, or from a tar archive, file or address.

    A recipe's files are downloaded from their publishers, with resume and checksums, and built.
    Make an archive of a reference of yours with `tar -C FOLDER -cf NAME.tar NAME`. Every file of it
    is checked against the manifest before the reference can be used.
    """
    from gas.config import on_terminal
    from gas.reference import packs
    from gas.reference.install import install as run
    from gas.reference.recipes import RECIPES, install_genome, install_source

    recipe = RECIPES.get(file_or_url)
    notes: list[str] = []
    with _download_bar(on_terminal()) as progress:
        if recipe is None:
            pack = run(file_or_url, _installed(), replace_existing=force, progress=progress)
        elif recipe.genes is None:
            pack = packs.find(reference, _folders())
            done, notes = install_source(recipe.at(mirror), pack, _installed(), progress)
            _tell_source(pack.name, recipe.source, done)
        else:
            built = install_genome(
                recipe.at(mirror), _installed(), progress, replace_existing=force
            )
            pack, notes = built.pack, built.notes
    for note in notes:
        typer.echo(f"Note: {note}")
    typer.echo(f"Installed {pack.name} ({pack.assembly}, version {pack.version}) in {pack.path}")


def _tell_source(reference: str, source: str, done: Compiled) -> None:
    typer.echo(f"{reference} knows {done.alleles:,} alleles or places of {source}.")
    if done.passed_over:
        typer.echo(f"Note: {done.passed_over:,} records were passed over: no contig, no bases.")


def _installed() -> Path:
    from gas.config import get_settings

    return get_settings().references_dir


def _folders() -> tuple[Path, ...]:
    from gas.reference import packs

    return packs.roots(_installed())


@contextmanager
def _download_bar(is_shown: bool) -> Iterator[Progress]:
    """A bar on standard error."""
    if not is_shown:
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    with Progress(
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
