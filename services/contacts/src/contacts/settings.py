"""Settings of contacts: the ones of every service, and its own database and port."""

from pydantic import Field

from kith.runtime.settings import Port, Settings


class ContactsSettings(Settings):
    database_url: str = Field(validation_alias="KITH_DATABASE_URL_CONTACTS")
    port: Port = Field(default=8001, validation_alias="KITH_PORT_CONTACTS")
