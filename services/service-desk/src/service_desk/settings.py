"""Settings of service-desk: the ones of every service, and its own database and port."""

from pydantic import Field

from kith.runtime.settings import Port, Settings


class ServiceDeskSettings(Settings):
    database_url: str = Field(validation_alias="KITH_DATABASE_URL_SERVICE_DESK")
    port: Port = Field(default=8003, validation_alias="KITH_PORT_SERVICE_DESK")
