from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.annotation import HEADER, NA12878, gff_of, record, synthetic_sequence

GAS = [sys.executable, "-c", "from gas.cli import main; main()"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def gas(*arguments: object, data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GAS, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "GAS_DATA_DIR": str(data), "COLUMNS": "100", "NO_COLOR": "1"},
    )


def test_annotate_prints_a_summary_a_person_can_read(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "out.vcf.gz"
    done = gas("annotate", NA12878, "-o", out, "--reference", "demo", data=data)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "4,591 records" in done.stdout
    assert "frameshift_variant" in done.stdout
    assert "ARFRP1" in done.stdout
    for line in ("SNV  ", "protein_coding  ", "Known to an allele source: 13; novel: 4,578"):
        assert line in done.stdout
    assert re.search(r"Genes most hit.*\n  \w+ +1 +0\n", done.stdout)
    assert re.search(r"By chromosome \(records\)\n  20 +4,591\n", done.stdout)
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "out.vcf.gz",
        "out.vcf.gz.tbi",
        "out.findings.json",
        "out.summary.json",
        "out.summary_mqc.json",
    }
    assert json.loads((tmp_path / "out.summary.json").read_text())["records"] == 4591


def test_annotate_prints_json_for_machines(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "out.vcf.gz"
    done = gas("annotate", NA12878, "-o", out, "-r", "demo", "--json", "-w", 2, data=data)
    values = json.loads(done.stdout)
    assert values["records"] == 4591
    assert values["output"] == str(out)
    assert values["reference"]["name"] == "demo"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello\n", "not a VCF"),
        (HEADER + record(5, "A", "C", contig="7"), "No contig in common"),
        (HEADER + b"\0\n", "line 3: The file holds a NUL byte"),
    ],
)
def test_errors_are_one_line_without_traceback(
    tmp_path: Path, data: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "in.vcf"
    path.write_bytes(content)
    done = gas("annotate", path, "-o", tmp_path / "o.vcf.gz", "-r", "demo", data=data)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("gas: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_command_line_is_code_2(data: Path) -> None:
    assert gas("annotate", data=data).returncode == 2
    assert gas("annotate", "x", "-o", "y", "-r", "demo", "-w", "0", data=data).returncode == 2


def test_an_unknown_reference_names_those_there(tmp_path: Path, data: Path) -> None:
    done = gas("annotate", NA12878, "-o", tmp_path / "o.vcf.gz", "-r", "nope", data=data)
    assert done.returncode == 1
    assert "References here: demo." in done.stderr


def test_a_reference_is_built_listed_verified_and_used(tmp_path: Path, data: Path) -> None:
    (tmp_path / "g.fa").write_text(f">1\n{synthetic_sequence()}\n")
    (tmp_path / "g.gff3").write_text(gff_of("1") + gff_of("9"))
    done = gas(
        "reference", "build", "mine", "--fasta", tmp_path / "g.fa", "--gff", tmp_path / "g.gff3",
        "--assembly", "A1", data=data,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Note: g.gff3: contig 9" in done.stdout
    listed = gas("reference", "list", data=data).stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [["demo", "GRCh37"], ["mine", "A1"]]
    assert "mine is whole" in gas("reference", "verify", "mine", data=data).stdout
    (tmp_path / "in.vcf").write_bytes(HEADER + record(104, "G", "A"))
    done = gas(
        "annotate", tmp_path / "in.vcf", "-o", tmp_path / "o.vcf.gz", "-r", "mine", data=data
    )
    assert "missense_variant" in done.stdout


def test_help_names_every_option_with_its_default(data: Path) -> None:
    said = gas("annotate", "--help", data=data).stdout
    for word in ("--output", "--reference", "--engine", "--workers", "--json", "[default: 1]"):
        assert word in said


def test_interrupting_is_code_130(tmp_path: Path, data: Path) -> None:
    code = (
        "import gas.cli as c, sys\n"
        "def stop(): raise KeyboardInterrupt\n"
        "c.app.command('stop')(stop)\n"
        "sys.argv = ['gas', 'stop']\n"
        "c.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 130
