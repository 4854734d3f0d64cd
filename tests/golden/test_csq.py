from __future__ import annotations

from pathlib import Path

from gas.annotate.run import annotate
from tests.annotation import demo_pack, infos_of

GOLDEN = Path(__file__).parent / "csq" / "demo.vcf"


def test_every_record_gets_what_bcftools_says(tmp_path: Path) -> None:
    out = tmp_path / "out.vcf.gz"
    annotate(GOLDEN, out, demo_pack(), "csq")
    infos = [info.decode() for info in infos_of(out)]
    assert len(infos) == 106
    for info in infos:
        expected, _, found = info.partition(";BCSQ=")
        assert expected.removeprefix("EXP=") == (found or ".")
