"""Settings of analytics: those of every service, and its own database and port."""

from pydantic import Field

from kith.settings import Settings


class AnalyticsSettings(Settings):
    database_url: str = Field(validation_alias="KITH_DATABASE_URL_ANALYTICS")
    port: int = Field(default=8004, validation_alias="KITH_PORT_ANALYTICS")
