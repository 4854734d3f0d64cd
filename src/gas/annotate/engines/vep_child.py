"""``python -m gas.annotate.engines.vep_child PARENT_PID REQUEST.json``: vepyr over several files.

A process of its own, because it cannot be cancelled from within and may take much memory. What it
has to say goes to standard error; the exit code is 1 where it failed.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from gas.procs import die_with_parent


def main(parent: int, request: Path) -> None:
    die_with_parent(parent=parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    wanted: dict[str, Any] = json.loads(request.read_text())
    import vepyr

    for asked, answer in wanted["files"]:
        vepyr.annotate(
            _indexed(asked) if wanted["workers"] > 1 else asked,
            wanted["cache"],
            reference_fasta=wanted["fasta"],
            expected_cache_version=wanted["release"],
            fields=wanted["fields"],
            workers=wanted["workers"],
            allow_non_variant=True,
            output_vcf=answer,
            show_progress=False,
        )


def _indexed(path: str) -> str:
    """The file as BGZF with an index, which several workers need."""
    import pysam

    packed: str = pysam.tabix_index(path, preset="vcf", force=True)
    return packed


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), Path(sys.argv[2]))
    except Exception as error:  # noqa: BLE001 - vepyr raises many kinds; the parent tells it on
        sys.exit(f"{type(error).__name__}: {error}")
