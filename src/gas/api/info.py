"""Who I am, and what is on offer."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Field, Router, Schema

from gas.accounts.plans import get_plan
from gas.annotate.engines import offered
from gas.api.auth import user_of
from gas.wiring import get_services

router = Router(tags=["service"])


class Me(Schema):
    email: str
    name: str
    institution: str
    plan: str
    max_upload_bytes: int | None = Field(description="null: no cap.")


class Reference(Schema):
    name: str
    assembly: str
    version: str
    digest: str = Field(description="SHA-256 of its manifest.")
    contigs: dict[str, int] = Field(description="Name to length in bases.")


class Offer(Schema):
    default: str
    names: list[str]


@router.get("/me", response=Me, summary="Whose token this is")
def me(request: HttpRequest) -> Me:
    user = user_of(request)
    plan = get_plan(user.plan, get_services().settings)
    return Me(
        email=user.email,
        name=user.name,
        institution=user.institution,
        plan=plan.name,
        max_upload_bytes=plan.max_upload_bytes,
    )


@router.get("/references", response=list[Reference], summary="References on offer")
def references(request: HttpRequest) -> list[Reference]:
    return [
        Reference(
            name=pack.name,
            assembly=pack.assembly,
            version=pack.version,
            digest=pack.digest,
            contigs=dict(pack.contigs),
        )
        for pack in get_services().list_packs()
    ]


@router.get("/engines", response=Offer, summary="Engines on offer")
def engines(request: HttpRequest) -> Offer:
    settings = get_services().settings
    return Offer(default=settings.default_engine, names=[*offered(), *settings.extra_engines])
