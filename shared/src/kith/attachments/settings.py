"""Settings of attachments, for a service that has some."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field
from pydantic_core import CoreSchema, core_schema
from pydantic_settings import NoDecode

from kith.attachments.kinds import DEFAULT, NEVER, MediaType
from kith.attachments.store import FolderStore, Store
from kith.attachments.watched import WatchedStore
from kith.errors import Invalid
from kith.runtime.secret_files import secret_in
from kith.runtime.setting_types import Count, File, Folder, Line, WebUrl
from kith.scalars import Scalar, reading
from kith.scalars.scalar import refuse

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class MediaTypes(Scalar):
    """Of `application/pdf, image/png`."""

    rule: ClassVar = "a list of media types, by commas: application/pdf,image/png"

    def read(self, sent: Any) -> Any:
        if not isinstance(sent, str):
            return sent
        found = tuple(each for part in sent.split(",") if (each := part.strip()))
        for each in found:
            try:
                reading(MediaType, each, field="")
            except Invalid as wrong:
                refuse(f"{each!r}: {wrong}")
            if NEVER.fullmatch(each):
                refuse(f"{each} is never taken: browsers or systems run it.")
        return found

    def kept(self) -> CoreSchema:
        return core_schema.tuple_variable_schema(core_schema.str_schema())


class AttachmentSettings(BaseModel):
    attachments_folder: Folder | None = Field(
        default=None,
        description="where the content of attachments is kept, shared by all processes; none are taken if it is unset",
    )
    attachments_bucket: Line | None = Field(
        default=None, description="bucket of S3 where it is kept instead, and a prefix: files/kith"
    )
    attachments_endpoint: WebUrl | None = Field(
        default=None, description="URL of what has the bucket and speaks as S3 does; Amazon if unset"
    )
    attachments_region: Line = Field(default="us-east-1", description="region of the bucket")
    attachments_access_key: Line | None = Field(
        default=None, description="id of the access key; by AWS_… or the role of the machine if unset"
    )
    attachments_secret_file: File | None = Field(default=None, description="file with the secret of the access key")
    attachments_megabytes: Annotated[Count, Field(le=5000)] = Field(
        default=50, description="the size of an attachment at most, in MiB"
    )
    attachments_tenant_megabytes: Count = Field(
        default=10 * 1024, description="the size of all attachments of a tenant, in MiB"
    )
    attachments_types: Annotated[tuple[str, ...], NoDecode, MediaTypes()] = Field(
        default=DEFAULT, description="media types of attachments"
    )

    def attachments_store(self, service: str) -> Store | None:
        """Returns the store that is set, of the content of this service."""
        store = self._unwatched(service)
        return None if store is None else WatchedStore(store)

    def _unwatched(self, service: str) -> Store | None:
        if self.attachments_folder is not None:
            return FolderStore(self.attachments_folder / service)
        return None if self.attachments_bucket is None else self._bucket(self.attachments_bucket, service)

    def _bucket(self, named: str, service: str) -> Store:
        from kith.attachments.s3 import BucketStore  # noqa: PLC0415 - only who uses it has to have it

        bucket, _, prefix = named.partition("/")
        key, secret = self.attachments_access_key, self.attachments_secret_file
        return BucketStore(
            bucket,
            f"{prefix}/{service}".lstrip("/"),
            endpoint=self.attachments_endpoint,
            region=self.attachments_region,
            key=None if key is None or secret is None else (key, secret_in(secret)),
        )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yields each setting that does not go with the others, and the rule."""
        if self.attachments_tenant_megabytes < self.attachments_megabytes:
            yield "attachments_tenant_megabytes", "It is at least KITH_ATTACHMENTS_MEGABYTES."
        if self.attachments_folder is not None and self.attachments_bucket is not None:
            yield "attachments_bucket", "There is a KITH_ATTACHMENTS_FOLDER: it is one or the other."
        if (self.attachments_access_key is None) != (self.attachments_secret_file is None):
            missing = "access_key" if self.attachments_access_key is None else "secret_file"
            yield f"attachments_{missing}", "An access key and its secret are set together."
