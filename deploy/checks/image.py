"""Checks of deploy/docker."""

from __future__ import annotations

import shutil

from outcome import DEPLOY, Outcome, by_status, run, tool, unchecked

FILE = str(DEPLOY / "docker" / "Dockerfile")


def lint() -> Outcome:
    return by_status(run(tool("hadolint"), FILE), "no finding")


def build() -> Outcome:
    """Only where a Docker daemon runs: it fetches the base image."""
    if not shutil.which("docker"):
        return unchecked("docker is not installed")
    if run("docker", "info").returncode:
        return unchecked("no Docker daemon runs here")
    done = run("docker", "build", "--quiet", "-f", FILE, "-t", "gas:check", ".")
    if done.returncode:
        return by_status(done, "")
    return by_status(run("docker", "run", "--rm", "--read-only", "gas:check", "--version"), "built")
