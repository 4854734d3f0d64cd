"""Files that are made to hurt: refused or made inert, each within 10 s and all within 300 MB."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gas.annotate import bgzf
from gas.annotate.pack import Pack
from gas.annotate.strip import strip
from gas.annotate.validate.head import refusal_of_head
from gas.annotate.vcf import Limits
from tests.annotation import HEADER, record, ref_at

_CHILD = """
import json, sys, time
from pathlib import Path
from gas.annotate.pack import Pack
from gas.annotate.run import annotate
from gas.errors import InputError
folder, pack = Path(sys.argv[1]), Pack.open(Path(sys.argv[2]))
for path in sorted(folder.glob("*.in")):
    start = time.monotonic()
    try:
        annotate(path, path.with_suffix(".vcf.gz"), pack, "gas")
        said = ""
    except InputError as error:
        said = str(error)
    # Not ru_maxrss: that starts with what the process that started this one had.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    seconds = time.monotonic() - start
    print(json.dumps([path.stem, said, seconds, peak]), flush=True)
"""
_META, _CHROM = HEADER.splitlines(keepends=True)
_GOOD = record(100, ref_at(100), "N") + record(101, ref_at(101), "N")
_SPELLS = (
    "\x1b]0;owned\x07\x1b[31m", "\u202egnp.exe", "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0", "@SUM(1+1)", "a\rb", "\u2028x",
)  # fmt: skip


def _zeros(megabytes: int) -> bytes:
    """A gzip of a header and one endless line; members are repeated, so it is quick to make."""
    member = gzip.compress(b"A" * (16 << 20), 9)
    return gzip.compress(HEADER + b"1\t5\t.\t") + member * (megabytes // 16)


def _flipped() -> bytes:
    whole = bytearray(bgzf.compress(HEADER + _GOOD * 2000) + bgzf.EOF)
    whole[len(whole) // 2] ^= 0x10
    return bytes(whole)


def _spelled() -> bytes:
    infos = "".join(f'##INFO=<ID=I{i},Description="{s}">\n' for i, s in enumerate(_SPELLS))
    samples = "\t".join(spell.replace("\r", "") for spell in _SPELLS)
    ref = ref_at(100)
    rows = "".join(f"1\t100\t{s}\t{ref}\t{s}\t.\t{s}\tX={s}\tGT" + "\t0/1" * len(_SPELLS) + "\n"
                   for s in _SPELLS)  # fmt: skip
    odd = "".join(f"{s}\t{s}\t.\tA\tC\t.\t.\t.\n" for s in _SPELLS)
    chrom = _CHROM.decode().strip() + f"\tFORMAT\t{samples}\n"
    return (_META.decode() + infos + chrom + rows + odd).encode()


#: name -> the file, and what is said of it; "" where it is annotated.
REFUSED: dict[str, tuple[bytes, str]] = {
    "bomb": (_zeros(1024), "line is longer|times its size"),
    "nested": (gzip.compress(gzip.compress(HEADER + _GOOD)), "compressed twice"),
    "no-eof": (bgzf.compress(HEADER + _GOOD), "cut short"),
    "flipped": (_flipped(), "damaged"),
    "samples": (_META + _CHROM[:-1] + b"\tFORMAT" + b"\ts" * 10**6 + b"\n" + _GOOD, "samples"),
    "headers": (_META + b"##x=1\n" * 10**6 + _CHROM + _GOOD, "header has more than"),
    "utf-16": ((HEADER + _GOOD).decode().encode("utf-16"), "UTF-16"),
    "utf-16-bare": ((HEADER + _GOOD).decode().encode("utf-16-le"), "NUL byte"),
    "latin-1": (HEADER + record(100, ref_at(100), "N", "X=\xe9")[:-1] + b"\xe9\n", "not UTF-8"),
}
KEPT: dict[str, bytes] = {
    "alleles": HEADER + record(100, ref_at(100), ",".join(["N"] * 200_000)) + _GOOD,
    "infos": HEADER + record(100, ref_at(100), "N", ";".join(["A=1"] * 500_000)) + _GOOD,
    "odd": HEADER + _GOOD + b"\n\t\n" * 200_000,
    "spelled": _spelled(),
    "headers-below-the-cap": _META + b"##x=<ID=1>\n" * 190_000 + _CHROM + _GOOD,
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, tiny: Pack) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("hostile")
    for name, content in {**{k: v for k, (v, _) in REFUSED.items()}, **KEPT}.items():
        (folder / f"{name}.in").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(folder), str(tiny.path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {"folder": folder, **{name: rest for name, *rest in found}}


@pytest.mark.parametrize("name", [*REFUSED, *KEPT])
def test_it_costs_little(outcomes: dict[str, Any], name: str) -> None:
    _, seconds, peak_mib = outcomes[name]
    assert seconds <= 10
    assert peak_mib <= 300


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_sentence(outcomes: dict[str, Any], name: str) -> None:
    assert any(says in outcomes[name][0] for says in REFUSED[name][1].split("|")), outcomes[name]
    assert not (outcomes["folder"] / f"{name}.vcf.gz").exists()


@pytest.mark.parametrize("name", KEPT)
def test_it_is_kept_byte_for_byte(outcomes: dict[str, Any], name: str) -> None:
    assert outcomes[name][0] == ""
    assert b"".join(strip(outcomes["folder"] / f"{name}.vcf.gz")) == KEPT[name]


def test_what_is_told_of_it_is_inert(outcomes: dict[str, Any]) -> None:
    folder: Path = outcomes["folder"]
    for name in ("spelled.rejected.tsv", "spelled.findings.json"):
        text = (folder / name).read_text()
        assert not set(text) & set("\x1b\x07\r\u202e\u2028"), name
    for line in (folder / "spelled.rejected.tsv").read_text().splitlines():
        number, reason = line.split("\t")
        assert number.isdigit() or number == "line"
        assert reason[0] not in "=+-@"


@pytest.mark.parametrize("name", ["nested", "utf-16", "utf-16-bare", "latin-1"])
def test_its_first_megabyte_says_so(name: str) -> None:
    content, says = REFUSED[name]
    refusal = refusal_of_head(content[: 1 << 20], Limits())
    assert refusal is not None
    assert says in str(refusal) or "not a VCF" in str(refusal)


@pytest.mark.parametrize("name", ["alleles", "infos", "odd", "spelled"])
def test_a_first_megabyte_of_what_is_kept_says_nothing(name: str) -> None:
    for size in (1 << 20, 1000, 60):
        assert refusal_of_head(KEPT[name][:size], Limits()) is None
        assert refusal_of_head(gzip.compress(KEPT[name])[:size], Limits()) is None
