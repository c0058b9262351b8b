"""Settings of contacts: the ones of every service, and its own database and port."""

from collections.abc import Iterator

from pydantic import Field

from kith.attachments.settings import AttachmentSettings
from kith.runtime.setting_types import NewFile
from kith.runtime.settings import ApiPort, Settings, of_service


class ContactsSettings(AttachmentSettings, Settings):
    model_config = of_service("contacts")

    port: ApiPort = 8001

    erasures_file: NewFile | None = Field(
        default=None,
        description="to which the worker adds each erasure, outside of the database: `restored` applies them again",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        yield from Settings.contradictions(self)
        yield from AttachmentSettings.contradictions(self)
