"""Settings of sales: the ones of every service, and its own database and port."""

from pydantic import Field

from kith.runtime.settings import Port, Settings


class SalesSettings(Settings):
    database_url: str = Field(validation_alias="KITH_DATABASE_URL_SALES")
    port: Port = Field(default=8002, validation_alias="KITH_PORT_SALES")
