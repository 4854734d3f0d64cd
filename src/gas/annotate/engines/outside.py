"""What engines share that are other programs: asked once for a whole file, in files of our making.

Nothing of the input gets into what they are asked but a position and bases, under the reference's
contig names; so a hostile header, INFO or FORMAT never reaches them. Each runs in child processes
of ours, and each of its answers is held against what it was asked.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from gas.annotate.contigs import ContigNames
from gas.annotate.engines import Context, Record
from gas.annotate.fit import why_not
from gas.annotate.genome import Genome
from gas.annotate.pack import Pack
from gas.errors import EngineError, TransientError

#: What becomes of a record: passed through; REF differs; asked by itself.
UNFIT, MISMATCH, LOCAL = range(3)

CHECK_EVERY = 1024
_POLL_S = 0.05
_SAID_CHARS = 500


# -- asking ----------------------------------------------------------------------------------------


def judge(record: Record, names: ContigNames, pack: Pack, genome: Genome) -> int:
    """UNFIT, MISMATCH or LOCAL."""
    if why_not(record, names, pack.contigs) is not None:
        return UNFIT
    contig = names.get(record[0])
    assert contig is not None
    start0 = int(record[1]) - 1
    ref = record[3].upper()
    return LOCAL if genome.bases(contig, start0, start0 + len(ref)) == ref else MISMATCH


def line_of(contig: str, record: Record, alts: Sequence[bytes]) -> bytes:
    """The line that is asked for ``alts`` of a record, up to and without its INFO."""
    return b"%s\t%d\t.\t%s\t%s\t.\t.\t" % (
        contig.encode(),
        int(record[1]),
        record[3].upper(),
        b",".join(alts).upper(),
    )


def header_of(pack: Pack, samples: int = 0) -> bytes:
    """The header of the files that are asked."""
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    if samples:
        columns += ["FORMAT", *(f"S{i}" for i in range(1, samples + 1))]
    lines = [
        "##fileformat=VCFv4.2",
        *(f"##contig=<ID={name},length={length}>" for name, length in pack.contigs.items()),
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(columns),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


# -- running ---------------------------------------------------------------------------------------


def run(commands: Sequence[list[str]], context: Context, tool: str) -> None:
    """Run all, ``context.workers`` at a time; none is left running. ``tool``: what to call it.
    Raises EngineError, TransientError or Cancelled."""
    running: list[tuple[subprocess.Popen[bytes], Path]] = []
    try:
        for number, command in enumerate(commands):
            if len(running) >= context.workers:
                _finish(*running.pop(0), context.check_cancelled, tool)
            said = context.scratch / f"{number}.stderr"
            with said.open("wb") as stderr:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr
                )
            running.append((process, said))
        while running:
            _finish(*running[0], context.check_cancelled, tool)
            running.pop(0)
    finally:
        for process, _ in running:
            process.kill()
            process.wait()


def _finish(
    process: subprocess.Popen[bytes], said: Path, check_cancelled: Callable[[], None], tool: str
) -> None:
    while True:
        try:
            code = process.wait(_POLL_S)
            break
        except subprocess.TimeoutExpired:
            try:
                check_cancelled()
            except BaseException:
                process.kill()
                process.wait()
                raise
    if code == 0:
        return
    if code == -signal.SIGKILL:
        raise TransientError(f"{tool} was killed, perhaps for lack of memory.")
    text = " ".join(said.read_text(errors="replace").split())[-_SAID_CHARS:]
    why = f"stopped by signal {-code}" if code < 0 else f"exit code {code}"
    raise EngineError(
        f"{tool} failed ({why}): {text or 'it gave no reason'}",
        hint="Check the reference with `gas reference verify`.",
    )


# -- answers ---------------------------------------------------------------------------------------


def answers(paths: Iterable[Path]) -> Iterator[bytes]:
    """The record lines of the files, one after the other."""
    for path in paths:
        with path.open("rb") as lines:
            for line in lines:
                if line[:1] != b"#":
                    yield line


def entry_of(line: bytes, asked: bytes, tool: str) -> bytes:
    """The INFO of an answer; empty where there is none. Raises EngineError where ``line`` is not
    the answer to ``asked``."""
    if not line.startswith(asked):
        raise EngineError(
            f"{tool} answered out of step: asked for "
            f"{asked.decode(errors='replace')[:80].strip()!r}, "
            f"it said {line.decode(errors='replace')[:80].strip()!r}."
        )
    end = line.find(b"\t", len(asked))
    entry = line[len(asked) :].rstrip(b"\n") if end < 0 else line[len(asked) : end]
    return b"" if entry == b"." else entry


def cut(marks: Sequence[int], first: int, count: int) -> Sequence[int]:
    """The marks of the next ``count`` records. Raises EngineError where there are fewer."""
    found = marks[first : first + count]
    if len(found) != count:
        raise EngineError("The input changed while it was read.", hint="Try again.")
    return found
