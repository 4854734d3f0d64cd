"""``python -m gas.annotate.engines.csq_child PARENT_PID ARGUMENT...``: one call of bcftools csq.

A process of its own, because bcftools keeps state between calls and ends the process on some
faults. What it has to say goes to standard error; the exit code is 1 where it failed.
"""

from __future__ import annotations

import os
import signal
import sys

from gas.procs import die_with_parent


def main(parent: int, arguments: list[str]) -> None:
    die_with_parent(parent=parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    import pysam.bcftools
    from pysam.utils import SamtoolsError

    try:
        pysam.bcftools.csq(*arguments, catch_stdout=False)
    except SamtoolsError:
        said = pysam.bcftools.csq.get_messages()  # type: ignore[no-untyped-call]
        sys.stderr.write(said or "")
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
