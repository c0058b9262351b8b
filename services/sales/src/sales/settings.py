"""Settings of sales: the ones of every service, and its own database and port."""

from pydantic import Field

from kith.peers.settings import PeerSettings
from kith.runtime.setting_types import WebUrl
from kith.runtime.settings import ApiPort, Settings, of_service


class SalesSettings(PeerSettings, Settings):
    model_config = of_service("sales")

    port: ApiPort = 8002

    # For processes (see docs/operations.md): both, or none is carried out.
    url_contacts: WebUrl | None = Field(default=None, description="base URL of the API of contacts, for conversions")
