"""Jobs that run for as long as a test wants them to."""

from __future__ import annotations

import json
from pathlib import Path

from gas.reference.packs import SHIPPED
from tests.e2e.service import Service

HELD = "tests.engines:HeldEngine"


def make_held_reference(service: Service) -> None:
    """A reference beside which HeldEngine finds its signal to wait."""
    folder = service.data / "references" / "held"
    folder.mkdir()
    for path in (SHIPPED / "demo").iterdir():
        (folder / path.name).symlink_to(path)
    manifest = json.loads((SHIPPED / "demo" / "manifest.json").read_text())
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_text(json.dumps({**manifest, "name": "held"}))


class Hold:
    """While it holds, jobs of HeldEngine run and run."""

    def __init__(self, service: Service) -> None:
        self.folder = service.data / "references" / "held"

    def __enter__(self) -> Hold:
        for old in self.folder.glob("held-*"):
            old.unlink()
        (self.folder / "hold").touch()
        return self

    def __exit__(self, *_error: object) -> None:
        (self.folder / "hold").unlink(missing_ok=True)

    def engines(self) -> list[int]:
        """Process ids of the engines at work, in the order of their start."""
        found = sorted(self.folder.glob("held-*"), key=lambda path: path.stat().st_mtime_ns)
        return [int(path.name.removeprefix("held-")) for path in found]


def worker_of(service: Service, engine_pid: int) -> int:
    """The annotator whose engine it is; between them is the one that engines are forked from."""
    return parent_of(parent_of(engine_pid))


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
