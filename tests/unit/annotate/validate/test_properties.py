"""A valid file is valid, a file with one fault breaks its rule, and the quick way hides nothing."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from gas.annotate.validate import glance, stream
from tests.unit.annotate.validate.help import broken, run
from tests.unit.annotate.validate.strategies import FAULTS, File, broken_files, files

slow = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
quick = settings(slow, max_examples=8)


@slow
@given(files())
def test_a_valid_file_is_valid(file: File) -> None:
    report = run(file.text())
    assert broken(report) == set()
    assert report.records == len(file.records)
    assert report.rejected == 0


@pytest.mark.parametrize("name", sorted(FAULTS))
@quick
@given(st.data())
def test_one_fault_breaks_its_rule(name: str, data: DataObject) -> None:
    file = data.draw(broken_files(name))
    rule = FAULTS[name][0]
    assert rule in broken(run(file.text()))


@slow
@given(st.data())
def test_the_quick_way_hides_nothing(data: DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FAULTS)))
    text = data.draw(files() | broken_files(name)).text()
    assert run(text).findings == run(text, thorough=True).findings


@slow
@given(st.data(), st.integers(1, 4), st.sampled_from([0, stream.LOOK_INSIDE]))
def test_a_glance_at_several_records_hides_nothing(
    data: DataObject, together: int, inside: int
) -> None:
    name = data.draw(st.sampled_from(sorted(FAULTS)))
    text = data.draw(files() | broken_files(name)).text()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glance, "RECORDS", together)
        patch.setattr(stream, "LOOK_INSIDE", inside)
        found = run(text, strict=False).as_dict()
        assert found == run(text, strict=False, thorough=True).as_dict()


@slow
@given(files())
def test_line_ends_do_not_matter(file: File) -> None:
    report = run(file.text().replace(b"\n", b"\r\n"))
    assert broken(report) == set()
    assert report.counts["file-crlf"] == 1


@slow
@given(files(), st.data())
def test_any_bytes_give_a_report(file: File, data: DataObject) -> None:
    """Flip some bytes of the records: no exception, whatever they become."""
    text = bytearray(file.text())
    start = text.index(b"\nc"[:1] + b"#CHROM") + 1
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(start + 45, len(text) - 1))
        text[at] = data.draw(st.integers(0, 255))
    for strict in (True, False):
        run(bytes(text), strict=strict).as_dict()


@pytest.mark.long
@settings(slow, max_examples=800, derandomize=False)
@given(files(), st.data())
def test_many_random_bytes_give_a_report(file: File, data: DataObject) -> None:
    text = bytearray(file.text())
    for _ in range(data.draw(st.integers(1, 20))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    if any(line.startswith(b"#CHROM") for line in bytes(text).split(b"\n")):
        run(bytes(text)).as_dict()
        run(bytes(text), strict=False).as_dict()
