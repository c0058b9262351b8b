"""Where content is kept, and what is taken, as the settings say."""

from pathlib import Path

import pytest

from contacts.settings import ContactsSettings
from kith.attachments.s3 import BucketStore
from kith.attachments.store import FolderStore
from kith.runtime.settings import SettingsInvalid, from_environment


def given(monkeypatch: pytest.MonkeyPatch, **settings: object) -> ContactsSettings:
    monkeypatch.setenv("KITH_DATABASE_URL_CONTACTS", "postgresql:///none")
    for name, value in settings.items():
        monkeypatch.setenv(f"KITH_ATTACHMENTS_{name}", str(value))
    return from_environment(ContactsSettings)


def test_it_is_kept_in_a_folder_or_in_a_bucket_or_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert given(monkeypatch).attachments_store("contacts") is None
    with monkeypatch.context() as patch:
        assert isinstance(given(patch, FOLDER=tmp_path)._unwatched("contacts"), FolderStore)
    (tmp_path / "secret").write_text("s3cret\n")
    key = {"ACCESS_KEY": "kith", "SECRET_FILE": tmp_path / "secret"}
    settings = given(monkeypatch, BUCKET="files/kith", ENDPOINT="http://minio:9000", **key)
    assert isinstance(settings._unwatched("contacts"), BucketStore)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"FOLDER": "/none/at/all"}, "KITH_ATTACHMENTS_FOLDER: It is a folder"),
        ({"FOLDER": "/tmp", "BUCKET": "files"}, "KITH_ATTACHMENTS_BUCKET: There is a KITH_ATTACHMENTS_FOLDER"),  # noqa: S108
        ({"BUCKET": "files", "ACCESS_KEY": "kith"}, "KITH_ATTACHMENTS_SECRET_FILE: An access key and its secret"),
        ({"MEGABYTES": 50, "TENANT_MEGABYTES": 49}, "KITH_ATTACHMENTS_TENANT_MEGABYTES: It is at least"),
        ({"TYPES": "application/pdf,text/html"}, "text/html is never taken"),
        ({"TYPES": "image/svg+xml"}, r"image/svg\+xml is never taken"),
        ({"TYPES": "PDF"}, "It is a media type in lower case"),
    ],
)
def test_what_does_not_go_together_is_named(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingsInvalid, match=words):
        given(monkeypatch, **settings)
