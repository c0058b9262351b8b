"""Settings of analytics: the ones of every service, and its own database and port."""

from typing import Annotated

from pydantic import Field

from kith.peers.settings import PeerSettings
from kith.runtime.setting_types import WebUrl
from kith.runtime.settings import ApiPort, Settings, of_service
from kith.scalars import Real

Hours = Annotated[float, Real(above=0, most=24 * 366)]


class AnalyticsSettings(PeerSettings, Settings):
    model_config = of_service("analytics")

    port: ApiPort = 8004

    # For reconciliation (see docs/operations.md). All three URLs and a client, or none.
    url_contacts: WebUrl | None = Field(default=None, description="base URL of the API of contacts, for reconciliation")
    url_sales: WebUrl | None = Field(default=None, description="base URL of the API of sales")
    url_service_desk: WebUrl | None = Field(default=None, description="base URL of the API of service-desk")
    reconcile_hours: Hours = Field(default=24, description="how often every tenant is reconciled")
