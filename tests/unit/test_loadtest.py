"""What the load test makes of what it saw. (The load itself is `make loadtest`.)"""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from loadtest import inputs, report
from loadtest.report import Answer, Farm, Look, Summary

GROWN = Farm(2, 7, 10.0, 40.0, 250.0)
GOOD = Summary(
    people=300,
    requests=1000,
    failures=0,
    requests_per_s=70.0,
    pages_p95_ms_few=50.0,
    pages_p95_ms_many=99.0,
    pages_p95_ms_while_many_sign_in=900.0,
    sign_in_p95_ms=5000.0,
    generator_cpu=0.3,
    web=GROWN,
    annotators=GROWN,
    annotators_until=6,
    jobs=30,
    jobs_failed=0,
)


def look(at: float, web: int = 2) -> Look:
    return Look(at, web, web, 2, 2, 0, 0, 0.1, 1.0)


def test_a_run_that_meets_the_bar_has_no_fault() -> None:
    assert GOOD.faults() == []
    assert "web 2 → 7 in 40 s, back in 250 s" in GOOD.line()
    assert "(1.98x), 0.9 s while they sign in, which takes 5 s (p95)" in GOOD.line()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"failures": 1}, "1 of 1000 requests failed"),
        ({"pages_p95_ms_many": 101.0}, "2.02 times"),
        ({"pages_p95_ms_many": float("nan")}, "no page"),
        ({"generator_cpu": 0.95}, "measured itself"),
        ({"jobs_failed": 2}, "2 of 30 jobs"),
        ({"web": Farm(2, 2, None, None, None)}, "web farm did not grow"),
        ({"annotators": Farm(2, 3, 9.0, 30.0, 250.0)}, "annotators were 3 at the most, not 6"),
        ({"annotators": Farm(2, 6, 9.0, 30.0, None)}, "annotators farm did not come back to 2"),
    ],
)
def test_each_way_to_miss_the_bar_is_said(wrong: dict[str, object], said: str) -> None:
    (fault,) = replace(GOOD, **wrong).faults()  # type: ignore[arg-type]
    assert said in fault


@pytest.mark.parametrize(
    ("values", "share", "right"),
    [
        ([5.0], 0.95, 5),
        (list(range(1, 101)), 0.95, 95),
        (list(range(1, 11)), 0.5, 5),
        ([3, 1], 1, 3),
    ],
)
def test_percentiles(values: list[float], share: float, right: float) -> None:
    assert report.percentile(values, share) == right


def test_how_a_farm_went_out_and_in() -> None:
    sizes = [2, 2, 3, 5, 5, 4, 2, 2]
    looks = [look(100 + 10 * n, web) for n, web in enumerate(sizes)]
    seen = report.farm(looks, lambda look: look.web, began=105, ended=135)
    assert seen == Farm(2, 5, first_out_s=15, most_after_s=25, back_after_s=15)
    still_out = report.farm(looks[:6], lambda look: look.web, began=105, ended=135)
    assert still_out == Farm(2, 5, first_out_s=15, most_after_s=25, back_after_s=None)
    idle = report.farm(looks[:2], lambda look: look.web, began=105, ended=135)
    assert idle == Farm(2, 2, None, None, None)


def test_pages_are_what_people_wait_for_and_failures_are_not_fast_pages() -> None:
    answers = [
        Answer(1, "many", 300, "list", 10, ""),
        Answer(2, "many", 300, "sign in", 900, ""),
        Answer(3, "many", 300, "list", 1, "status 500"),
        Answer(4, "few", 30, "job", 20, ""),
    ]
    assert report.pages(answers, "many") == [10]
    assert report.pages(answers, "few") == [20]


def test_the_report_is_written(tmp_path: Path) -> None:
    answers = [
        Answer(1000 + n / 4, "many", n, "list", float(n), "" if n != 7 else "status 500")
        for n in range(200)
    ]
    with (tmp_path / "requests.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("at", "phase", "people", "name", "ms", "error"))
        lines.writerows((a.at, a.phase, a.people, a.name, a.ms, a.error) for a in answers)
    assert report.read_answers(tmp_path / "requests.csv") == answers
    looks = [look(1000 + n, 2 + n % 3) for n in range(60)]
    report.write(tmp_path, GOOD, answers, looks)
    told = json.loads((tmp_path / "summary.json").read_text())
    assert told["ratio"] == pytest.approx(1.98)
    assert told["faults"] == []
    rows = list(csv.DictReader((tmp_path / "over_time.csv").open()))
    assert [float(row["requests_per_s"]) for row in rows] == [4] * 5
    assert float(rows[0]["p95_ms"]) == 38  # of 0..39 without the one that failed
    people = report._charts(1000.0, list(report._windows(answers)), looks)["people"].lines[0]
    assert people.points[-2:] == [(40 / 60, 199.0), (50 / 60, 0.0)]
    for name in ("people", "times", "instances", "cpu"):
        picture = ET.parse(tmp_path / f"{name}.svg").getroot()
        assert picture.tag.endswith("svg")
        assert picture.findall("{*}path"), name


def test_the_file_that_is_sent_is_small_and_whole(tmp_path: Path) -> None:
    lines = inputs.make_file(tmp_path / "load.vcf").read_text().splitlines()
    records = [line for line in lines if not line.startswith("#")]
    assert len(records) == inputs.RECORDS
    assert lines[0].startswith("##fileformat=VCF")
    assert len({len(line.split("\t")) for line in [*records, lines[-inputs.RECORDS - 1]]}) == 1
