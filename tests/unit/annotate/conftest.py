from __future__ import annotations

from pathlib import Path

import pytest

from gas.annotate.pack import Pack
from tests import annotation


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return annotation.synthetic_pack(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def names(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return annotation.names_pack(tmp_path_factory.mktemp("names"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A target in a folder of its own, so that a test sees whether anything else is left there."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "out.vcf.gz"
