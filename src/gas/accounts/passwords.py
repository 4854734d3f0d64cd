"""How passwords are kept."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class PasswordHasher(Argon2PasswordHasher):
    """Argon2id as OWASP's Password Storage Cheat Sheet asks for it: 19 MiB, two passes, one lane.

    Django's own choice, PBKDF2 with a million rounds, takes six times the CPU and withstands
    graphics cards less; with 30 people who sign in each second it alone would take several cores.
    """

    memory_cost = 19_456
    time_cost = 2
    parallelism = 1
