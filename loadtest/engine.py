"""An engine that takes its time and hardly any of the CPU's.

The original's annotators were busy with a job for some 23 seconds (what `gas simulate` reckons with
too); ours are done in a fraction of one. To load a farm by the number of its jobs and not by the
two cores that it shares with all else, this engine does ours' work and then waits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from gas.annotate.engines import Context, Session, Source
from gas.annotate.engines.gas import GasEngine
from gas.annotate.pack import Pack

SERVICE_S = 23.0
LOOK_S = 0.1


class SlowEngine(GasEngine):
    name = "slow"

    @contextmanager
    def open(self, source: Source, pack: Pack, context: Context) -> Iterator[Session]:
        end = time.monotonic() + SERVICE_S
        with super().open(source, pack, context) as session:
            yield session
            while time.monotonic() < end:
                context.check_cancelled()
                time.sleep(LOOK_S)
