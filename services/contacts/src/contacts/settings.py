"""Settings of contacts: the ones of every service, and its own database and port."""

from pydantic import Field

from kith.runtime.setting_types import NewFile
from kith.runtime.settings import ApiPort, Settings, of_service


class ContactsSettings(Settings):
    model_config = of_service("contacts")

    port: ApiPort = 8001

    erasures_file: NewFile | None = Field(
        default=None,
        description="to which the worker adds each erasure, outside of the database: `restored` applies them again",
    )
