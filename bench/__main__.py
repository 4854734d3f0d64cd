"""``python -m bench [NAME ...]``. Exits 1 where a bar was missed."""

from __future__ import annotations

import importlib
import sys

from bench.table import Row, missed, show

#: name -> module with ``rows()``.
BENCHES = {
    "engine": "bench.engine",
    "farm": "bench.farm",
    "genome": "bench.genome",
    "shards": "bench.shards",
    "sources": "bench.sources",
    "tenants": "bench.tenants",
    "validate": "bench.validate",
}


def main(names: list[str]) -> int:
    unknown = set(names) - set(BENCHES)
    if unknown:
        print(f"bench: no {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
        return 2
    rows: list[Row] = []
    for name in names or BENCHES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(BENCHES[name]).rows()
    print(show(rows))
    faults = missed(rows)
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
