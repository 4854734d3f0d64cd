"""The REST API (OpenAPI at /api/docs): upload → submit → poll → download.

    POST /api/v1/uploads                      announce a file; answers where to PUT its first parts
    POST /api/v1/uploads/{id}/parts           where to PUT more of them
    POST /api/v1/uploads/{id}/complete
    POST /api/v1/jobs                         annotate it
    GET  /api/v1/jobs/{id}                    until "status" is COMPLETED, FAILED or CANCELLED
    GET  /api/v1/jobs/{id}/files/{name}       the result; Range is honoured

Every answer to an error is ``application/problem+json`` (RFC 9457).
"""

from __future__ import annotations

from ninja import NinjaAPI

from gas import __version__
from gas.api import info, jobs, uploads
from gas.api.auth import BearerToken
from gas.api.problems import install

api = NinjaAPI(
    title="GAS, the Genomics Annotation Service",
    version=__version__,
    description=__doc__.partition("\n\n")[2] if __doc__ else "",
    auth=BearerToken(),
    urls_namespace="api",
)
api.add_router("/v1", info.router)
api.add_router("/v1/uploads", uploads.router)
api.add_router("/v1/jobs", jobs.router)
install(api)
