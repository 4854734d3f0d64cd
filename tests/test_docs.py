"""What exists is documented: every setting, command, option, route, API operation and engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text()


def test_every_setting_is_documented_and_no_other() -> None:
    from gas.config import Settings, variable_of

    text = page("settings.md")
    for name, field in Settings.model_fields.items():
        row = rf"^\| `{variable_of(name)}` \| .* \| {re.escape(str(field.description))} \|$"
        assert field.description, f"{name} has no description"
        assert re.search(row, text, re.MULTILINE), (
            f"docs/settings.md lacks: | `{variable_of(name)}` | ... | {field.description} |"
        )
    known = {variable_of(name) for name in Settings.model_fields}
    assert set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE)) == known


def test_defaults_are_told_as_they_are() -> None:
    from gas.config import Settings, variable_of

    text = page("settings.md")
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, int | float | str) and field.default != "":
            shown = str(field.default)
            shown = shown.lower() if isinstance(field.default, bool) else shown
            assert f"| `{variable_of(name)}` | `{shown}` |" in text


def test_only_config_reads_the_environment() -> None:
    readers = re.compile(r"\bos\.(environ|getenv)|from os import .*(environ|getenv)")
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "src").rglob("*.py")
        if readers.search(path.read_text())
    ]
    assert found == ["src/gas/config.py"]


def test_annotate_is_pure() -> None:
    """No Django, no socket, nothing of the service."""
    allowed = ("gas.annotate", "gas.errors", "gas.procs")
    imports = re.compile(r"^\s*(?:from|import) ([\w.]+)", re.MULTILINE)
    for path in (ROOT / "src/gas/annotate").rglob("*.py"):
        for name in imports.findall(path.read_text()):
            assert not name.startswith(("django", "socket", "httpx", "urllib.request", "http.")), (
                path
            )
            if name.startswith("gas."):
                assert name.startswith(allowed), f"{path} imports {name}"


def _commands() -> list[tuple[str, Any]]:
    from gas.cli import app

    found: list[tuple[str, Any]] = []

    def walk(name: str, command: Any) -> None:
        if hasattr(command, "commands"):
            for key, child in command.commands.items():
                walk(f"{name} {key}", child)
        else:
            found.append((name, command))

    walk("gas", typer.main.get_command(app))
    return found


@pytest.mark.parametrize(
    ("name", "command"), _commands(), ids=lambda v: v if isinstance(v, str) else ""
)
def test_every_command_is_documented_with_its_options(name: str, command: Any) -> None:
    text = page("commands.md")
    section = re.search(rf"^## `{name}[` ].*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"docs/commands.md has no section for `{name}`"
    assert command.help, f"{name} --help says nothing"
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            option = max(parameter.opts, key=len)
            assert f"`{option}" in section[0], f"{name}: {option} is not documented"


def test_every_route_is_documented() -> None:
    from gas.web.urls import urlpatterns

    text = page("routes.md")
    for pattern in urlpatterns:
        assert f"`{pattern.name}`" in text, f"docs/routes.md lacks {pattern.name}"


def test_every_api_operation_is_documented() -> None:
    from gas.api import api

    text = page("routes.md")
    for path, operations in api.get_openapi_schema()["paths"].items():
        for method, operation in operations.items():
            assert f"`{method.upper()} {path}`" in text, f"docs/routes.md: {method} {path}"
            assert operation["summary"]


def test_every_engine_is_documented() -> None:
    from gas.annotate.engines import ENGINES

    for name in ENGINES:
        assert f"## `{name}`" in page("engines.md")


def test_engines_say_what_csq_holds() -> None:
    from gas.annotate.csq import DESCRIPTION
    from gas.annotate.structural import KINDS

    text = page("engines.md")
    assert f'"{DESCRIPTION}. Format: …"' in text
    (line,) = re.findall("^.*Symbolic DEL.*$", text, re.MULTILINE)
    assert all(kind in line for kind in KINDS)


def test_every_queue_is_documented() -> None:
    from gas.jobs.queue import QUEUES

    for name in QUEUES:
        assert f"`{name}`" in page("operations.md")


def test_every_room_is_on_the_map() -> None:
    text = page("architecture.md")
    for folder in (ROOT / "src/gas").iterdir():
        if (folder / "__init__.py").exists():
            assert f"`src/gas/{folder.name}/`" in text, f"architecture.md lacks {folder.name}"


def test_links_between_pages_lead_somewhere() -> None:
    for path in [*ROOT.glob("*.md"), *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name} → {target}"


def test_every_page_is_reachable_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    for path in DOCS.glob("*.md"):
        assert f"docs/{path.name}" in text, f"README.md does not name docs/{path.name}"


def test_what_people_are_told_to_install_is_in_this_folder() -> None:
    """A package of our name in a registry is not ours."""
    pages = [ROOT / "README.md", *DOCS.glob("*.md"), *(ROOT / "src").rglob("*.py")]
    text = "\n".join(path.read_text() for path in pages)
    told = re.findall(r"pip install (?:--require-hashes )?(\S+)", text)
    assert len(told) >= 4
    assert set(told) == {"-r"}
    for lock in re.findall(r"[\w./-]*requirements[\w-]*\.lock", text):
        assert (ROOT / lock).exists(), lock


def test_every_make_target_has_its_line_of_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert targets is not None
    for target in targets[1].split():
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target
