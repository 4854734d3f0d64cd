"""Loaded before Django: gives the tests settings of their own and, when asked for, a PostgreSQL.

Named by ``addopts`` in pyproject.toml, since pytest-django reads Django's settings before any
conftest.py is looked at. Run pytest as ``python -m pytest``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(tempfile.mkdtemp(prefix="gas-tests-"))
_ROOT.chmod(0o711)  # as root, PostgreSQL runs as another user who must get to its folder

for _name in [name for name in os.environ if name.startswith("GAS_")]:
    del os.environ[_name]
_PASSWORD = "tests-only"
os.environ.update(
    GAS_DATA_DIR=str(_ROOT / "data"),
    GAS_SECRET_KEY="tests-only-" + "x" * 40,
    GAS_LOG_LEVEL="WARNING",
    DATABASE_URL=f"postgresql://gas:{_PASSWORD}@{str(_ROOT / 'pg').replace('/', '%2F')}/gas",
    # Playwright's event loop runs in the thread of the tests, where Django's ORM is used as well.
    DJANGO_ALLOW_ASYNC_UNSAFE="1",
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[subprocess.Popen[bytes]]:
    """A real PostgreSQL for this session's tests."""
    from gas.farm.postgres import EmbeddedPostgres, stop

    folder = _ROOT / "pg"
    server = EmbeddedPostgres(folder, folder, _PASSWORD, durable=False).start()
    yield server
    stop(server)


def pytest_unconfigure() -> None:
    shutil.rmtree(_ROOT, ignore_errors=True)
