"""Settings of sales: the ones of every service, and its own database and port."""

from kith.runtime.settings import ApiPort, Settings, of_service


class SalesSettings(Settings):
    model_config = of_service("sales")

    port: ApiPort = 8002
