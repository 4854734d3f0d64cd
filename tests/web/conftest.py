"""Signed-in clients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from gas.accounts.models import User
from gas.jobs import lifecycle
from gas.jobs.models import Job
from gas.wiring import Services


@pytest.fixture
def mine(user: User, svc: Services) -> Client:
    """The browser of ``user``."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def theirs(make_user: Callable[..., User], svc: Services) -> Client:
    """The browser of another user."""
    client = Client()
    client.force_login(make_user("grace@example.org"))
    return client


@pytest.fixture
def done_job(job: Job, svc: Services) -> Job:
    """A completed job of ``user``."""
    lifecycle.annotate(svc, job.pk, worker="w:1", stopping=lambda: False)
    job.refresh_from_db()
    return job
