"""``python -m gas`` is ``gas``."""

from gas.cli import main

main()
