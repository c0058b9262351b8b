"""Settings of analytics: those of every service, and its own database and port."""

from pathlib import Path

from pydantic import Field

from kith.settings import Settings


class AnalyticsSettings(Settings):
    database_url: str = Field(validation_alias="KITH_DATABASE_URL_ANALYTICS")
    port: int = Field(default=8004, validation_alias="KITH_PORT_ANALYTICS")

    # For reconciliation (see docs/operations.md). All three URLs, or none.
    url_contacts: str | None = Field(default=None, description="base URL of the API of contacts")
    url_sales: str | None = Field(default=None, description="base URL of the API of sales")
    url_service_desk: str | None = Field(default=None, description="base URL of the API of service-desk")
    client_file: Path | None = Field(default=None, description='JSON: {"client_id": .., "client_secret": ..}')
    token_url: str | None = Field(default=None, description="found by the issuer's discovery document if unset")
    tenant_parameter: str = Field(default="tenant", description="of a token request, names the tenant it is to be for")
    reconcile_hours: float = Field(default=24, gt=0, description="every tenant is reconciled this often")
