"""The tag for addresses gives what Django's own gives."""

from __future__ import annotations

import uuid

import pytest
from django.template import Context, engines
from django.urls import NoReverseMatch, reverse

from gas.web.urls import urlpatterns

JOB = uuid.UUID("0f9c1d6e-5d0b-4c1c-9a55-4e7d1f0a9b3c")
OF_ONE = [str(p.name) for p in urlpatterns if set(p.pattern.converters) == {"job_id"}]
assert len(OF_ONE) > 5


def render(source: str, **values: object) -> str:
    return str(engines["django"].from_string(source).template.render(Context(values)))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", OF_ONE)
def test_of_a_job(name: str) -> None:
    assert render(f"{{% url '{name}' job %}}", job=JOB) == reverse(name, args=[JOB])


@pytest.mark.parametrize(
    ("tag", "right"),
    [
        ("{% url 'home' %}", "/"),
        ("{% url 'job-list' %}", "/jobs/"),
        ("{% url name %}", "/jobs/"),
        ("{% url 'job-list' as where %}<{{ where }}>", "</jobs/>"),
        ("{% url 'job-detail' job_id=job %}", f"/jobs/{JOB}/"),
        ("{% url 'job-detail' text %}", f"/jobs/{JOB}/"),
        ("{% url 'job-file' job 'a.vcf.gz' %}", f"/jobs/{JOB}/files/a.vcf.gz"),
        ("{% url 'token-revoke' 7 %}", "/profile/tokens/7/revoke/"),
        ("{% url 'admin:index' %}", reverse("admin:index")),
    ],
)
def test_of_anything_else(tag: str, right: str) -> None:
    assert render(tag, job=JOB, text=str(JOB), name="job-list") == right


@pytest.mark.parametrize("tag", ["{% url 'nowhere' %}", "{% url 'job-detail' None %}"])
def test_what_leads_nowhere_is_told(tag: str) -> None:
    with pytest.raises(NoReverseMatch):
        render(tag)
