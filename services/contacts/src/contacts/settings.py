"""Settings of contacts: the ones of every service, and its own database and port."""

from kith.runtime.settings import ApiPort, Settings, of_service


class ContactsSettings(Settings):
    model_config = of_service("contacts")

    port: ApiPort = 8001
