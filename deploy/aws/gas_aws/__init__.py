"""Constructs of the two stacks, each file one of their parts."""
