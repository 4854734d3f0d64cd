from __future__ import annotations

import json
from pathlib import Path

import pytest

from gas.cli import main
from tests.annotation import COURSE, HEADER, NA12878, record

PREMIUM_3 = next(path for path in COURSE if path.name.startswith("premium_3"))


@pytest.fixture
def gas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Run the command in this process: exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["gas", "validate", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return call


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / "odd.vcf"
    path.write_bytes(HEADER + record(5, "A", "C").replace(b"\t.\t.\t", b"\t-1\t0\t", 1))
    return path


def test_exit_codes(gas, odd: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert gas(NA12878)[0] == 0
    assert gas("--strict", NA12878)[0] == 0
    assert gas(odd)[0] == 0
    assert gas("--strict", odd)[0] == 1
    assert gas("--strict", odd, NA12878)[0] == 1
    code, _, err = gas(odd, tmp_path / "no.vcf")
    assert code == 2
    assert "no.vcf: No such file or directory" in err
    code, _, err = gas(odd, "-r", "nowhere")
    assert code == 2
    assert "There is no reference" in err


def test_what_a_person_reads(gas, odd: Path) -> None:  # type: ignore[no-untyped-def]
    _, out, err = gas("--strict", odd)
    assert err == ""
    assert "not valid" in out
    assert 'line 3, column 6 (QUAL): error: QUAL is "-1".' in out
    assert "[filter-zero]" in out


def test_a_name_cannot_speak_to_the_terminal(gas, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a\x1b[31m.vcf"
    path.write_bytes(HEADER + record(5, "A", "C"))
    assert "\x1b" not in gas(path)[1]


def test_json(gas, odd: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = gas("--strict", "--json", odd, NA12878)
    first, second = json.loads(out)
    assert code == 1
    assert (first["valid"], second["valid"]) == (False, True)
    assert {finding["rule"] for finding in first["findings"]} >= {"qual-number", "filter-zero"}
    assert first["findings"][0].keys() == {
        "severity", "line", "column", "field", "rule", "message", "fix",
    }  # fmt: skip


def test_another_assembly_is_refused(gas) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = gas(PREMIUM_3, "--reference", "demo")
    assert code == 1
    assert "not GRCh37: 78 of 102 REF bases differ" in out
    code, out, _ = gas(PREMIUM_3, "--reference", "demo", "--json")
    (document,) = json.loads(out)
    assert (document["valid"], document["reference"]["build"]) == (False, "NCBI36")
    assert gas(NA12878, "--reference", "demo")[0] == 0
