"""Settings of a service whose worker asks other services, as a client of the issuer."""

from pydantic import BaseModel, Field

from kith.runtime.setting_types import File, Line, WebUrl


class PeerSettings(BaseModel):
    """A service adds `url_contacts` and the like, for those that it asks."""

    client_file: File | None = Field(
        default=None, description='`{"client_id": "…", "client_secret": "…"}`, for client credentials at the issuer'
    )
    token_url: WebUrl | None = Field(
        default=None, description="the issuer's token endpoint; found by its discovery document if unset"
    )
    tenant_parameter: Line = Field(default="tenant", description="parameter of a token request that names the tenant")
