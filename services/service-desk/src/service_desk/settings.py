"""Settings of service-desk: the ones of every service, and its own database and port."""

from kith.runtime.settings import ApiPort, Settings, of_service


class ServiceDeskSettings(Settings):
    model_config = of_service("service-desk")

    port: ApiPort = 8003
