from __future__ import annotations

import os
import select
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")

CHILD = """
import os, signal, sys
from gas.procs import die_with_parent
die_with_parent(parent=os.getppid())
print(os.getpid(), flush=True)
signal.pause()
"""
PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]])
"""


def test_a_child_ends_with_its_killed_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    watch = os.pidfd_open(int(parent.stdout.readline()))
    poll = select.poll()
    poll.register(watch, select.POLLIN)
    assert not poll.poll(0)
    parent.kill()
    assert poll.poll(30_000), "the child is still there"
    os.close(watch)
    parent.communicate()


def test_a_parent_that_is_gone_already_is_noticed() -> None:
    code = "from gas.procs import die_with_parent; die_with_parent(parent=1); print('still here')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
