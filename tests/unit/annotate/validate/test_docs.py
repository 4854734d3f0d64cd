"""docs/validation.md lists every rule. Run as a module, this writes its table anew."""

from __future__ import annotations

from pathlib import Path

from gas.annotate.validate import RULES

PAGE = Path(__file__).parents[4] / "docs" / "validation.md"
MARK = "<!-- rules: "


def _table() -> str:
    rows = [
        "| rule | field | severity | section | what is wrong, what to do |",
        "|---|---|---|---|---|",
    ]
    for rule in RULES.values():
        text = f"{rule.title} *{rule.fix.replace('|', chr(92) + '|')}*"
        text = text.replace("<", "&lt;").replace("[", "&#91;")
        rows.append(
            f"| `{rule.id}` | {rule.field} | {rule.level.value} | {rule.section} | {text} |"
        )
    return "\n".join(rows) + "\n"


def test_the_page_lists_every_rule() -> None:
    assert PAGE.read_text().endswith("\n\n" + _table())


def test_every_rule_says_what_to_do() -> None:
    for rule in RULES.values():
        assert rule.title.endswith("."), rule.id
        assert rule.fix.endswith("."), rule.id
        assert rule.section, rule.id


def test_the_code_uses_every_rule_and_no_other() -> None:
    package = Path(PAGE.parents[1] / "src" / "gas" / "annotate" / "validate")
    code = "".join(path.read_text() for path in package.glob("*.py") if path.name != "rules.py")
    made = {"record-duplicate-4.5"}
    assert {rule for rule in RULES if f'"{rule}"' not in code} == made


if __name__ == "__main__":
    text = PAGE.read_text()
    end = text.index("\n", text.index(MARK)) + 1
    PAGE.write_text(text[:end] + "\n" + _table())
