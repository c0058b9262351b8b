"""Settings are spelt as everything else is, and what is wrong is reported by the variable."""

import pytest

from kith.runtime.settings import SettingsInvalid, from_environment
from sales.settings import SalesSettings


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_DATABASE_URL_SALES", "postgresql://localhost/sales")


def test_what_is_spelt_right_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"KITH_POOL_SIZE": "20", "KITH_LOG_JSON": "false", "KITH_SHUTDOWN_SECONDS": "2.5"}.items():
        monkeypatch.setenv(name, text)
    settings = from_environment(SalesSettings)
    assert (settings.pool_size, settings.log_json, settings.shutdown_seconds) == (20, False, 2.5)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        *(("KITH_POOL_SIZE", text) for text in ("1_000", "\uff11", "+5", " 5", "5.0", "1e3", "0", "-1", "ten", "")),
        *(("KITH_PORT_SALES", text) for text in ("65536", "8_002", "0x10")),
        *(("KITH_SHUTDOWN_SECONDS", text) for text in ("nan", "inf", "1e3", "1_0", "0", ".5")),
        *(("KITH_LOG_JSON", text) for text in ("yes", "1", "True", "on")),
        ("KITH_BUS_RETENTION_DAYS", "2147483647"),
        ("KITH_LOG_LEVEL", "LOUD"),
        ("KITH_ISSUER_URL", "http://\u0085"),
    ],
)
def test_whatever_would_have_to_be_guessed_is_refused_by_the_name_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsInvalid, match=f"^{variable}: "):
        from_environment(SalesSettings)


def test_all_that_is_wrong_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_POOL_SIZE", "1_000")
    monkeypatch.setenv("KITH_TENANT_RATE", "fast")
    monkeypatch.delenv("KITH_DATABASE_URL_SALES")
    with pytest.raises(SettingsInvalid) as wrong:
        from_environment(SalesSettings)
    assert {line.partition(":")[0] for line in str(wrong.value).splitlines()} == {
        "KITH_DATABASE_URL_SALES",
        "KITH_POOL_SIZE",
        "KITH_TENANT_RATE",
    }
