"""Settings of analytics: the ones of every service, and its own database and port."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from kith.runtime.settings import Line, Port, Settings
from kith.scalars import Real

Hours = Annotated[float, Real(above=0, most=24 * 366)]


class AnalyticsSettings(Settings):
    database_url: str = Field(validation_alias="KITH_DATABASE_URL_ANALYTICS")
    port: Port = Field(default=8004, validation_alias="KITH_PORT_ANALYTICS")

    # For reconciliation (see docs/operations.md). All three URLs, or none.
    url_contacts: Line | None = Field(default=None, description="base URL of the API of contacts")
    url_sales: Line | None = Field(default=None, description="base URL of the API of sales")
    url_service_desk: Line | None = Field(default=None, description="base URL of the API of service-desk")
    client_file: Path | None = Field(default=None, description='JSON: {"client_id": .., "client_secret": ..}')
    token_url: Line | None = Field(default=None, description="found by the issuer's discovery document if unset")
    tenant_parameter: Line = Field(default="tenant", description="of a token request, names the tenant it is to be for")
    reconcile_hours: Hours = Field(default=24, description="every tenant is reconciled this often")
