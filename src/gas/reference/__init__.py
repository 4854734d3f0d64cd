"""Reference packs: where they live, how they are built, checked and installed."""
