"""Settings are spelt as everything else is, and what is wrong is reported by the variable."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from analytics.settings import AnalyticsSettings
from contacts.settings import ContactsSettings
from kith.runtime.process import _warn_of_unknown, main
from kith.runtime.setting_list import entries
from kith.runtime.settings import Settings, SettingsInvalid, from_environment, unknown_variables, variable_of
from sales.service import SERVICE
from sales.settings import SalesSettings
from service_desk.settings import ServiceDeskSettings


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


def listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    """What `python -m sales settings --json` prints, by the name of the setting."""
    monkeypatch.setattr("sys.argv", ["sales", "settings", "--json"])
    with suppress(SystemExit):
        main(SERVICE)
    return {each["name"]: each for each in json.loads(capsys.readouterr().out)}


def test_the_list_says_what_is_in_force_and_where_it_comes_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KITH_POOL_SIZE", "20")
    found = listed(monkeypatch, capsys)
    assert (found["KITH_POOL_SIZE"]["value"], found["KITH_POOL_SIZE"]["source"]) == ("20", "environment")
    assert (found["KITH_LOG_LEVEL"]["value"], found["KITH_LOG_LEVEL"]["source"]) == ("INFO", "default")
    assert (found["KITH_METRICS_PORT"]["value"], found["KITH_METRICS_PORT"]["source"]) == ("", "unset")
    assert found["KITH_POOL_SIZE"]["rule"] == "whole number, 1 or more"


@pytest.mark.parametrize(
    "url",
    ["postgresql://kith:pass:word@db.example/sales", "postgresql://db.example/sales?user=kith&password=pass:word"],
)
def test_the_list_hides_passwords(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("KITH_DATABASE_URL_SALES", url)
    shown = listed(monkeypatch, capsys)["KITH_DATABASE_URL_SALES"]["value"]
    assert shown == url.replace("pass:word", "***")


def test_the_list_is_printed_although_a_setting_is_invalid_and_the_command_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KITH_POOL_SIZE", "many")
    monkeypatch.setattr("sys.argv", ["sales", "settings"])
    with pytest.raises(SystemExit, match="KITH_POOL_SIZE: It is a whole number"):
        main(SERVICE)
    assert "KITH_POOL_SIZE = many  (environment)" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_is_refused_by_the_name_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_DATABASE_URL_ANALYTICS", "postgresql://localhost/analytics")
    monkeypatch.setenv("KITH_CLIENT_FILE", "/nowhere/client.json")
    with pytest.raises(SettingsInvalid, match=r"^KITH_CLIENT_FILE: .*/nowhere/client.json cannot be read: No"):
        from_environment(AnalyticsSettings)


@pytest.mark.parametrize("kind", [ContactsSettings, SalesSettings, ServiceDeskSettings, AnalyticsSettings])
def test_every_setting_is_described(kind: type[Settings]) -> None:
    for each in entries(kind):
        assert each.description, each.name
        assert each.rule, each.name


KAFKA = "KITH_KAFKA_"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"SASL_MECHANISM": "PLAIN"}, {"SECURITY_PROTOCOL", "SASL_USERNAME", "SASL_PASSWORD_FILE"}),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, {"SASL_MECHANISM"}),
        (
            {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "SCRAM-SHA-512", "SASL_USERNAME": "kith"},
            {"SASL_PASSWORD_FILE"},
        ),
        (
            {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER"},
            {
                "SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL",
                "SASL_OAUTHBEARER_CLIENT_ID",
                "SASL_OAUTHBEARER_CLIENT_SECRET_FILE",
            },
        ),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_CERTIFICATE_FILE": __file__}, {"SSL_KEY_FILE"}),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_KEY_FILE": __file__}, {"SSL_CERTIFICATE_FILE"}),
        ({"SSL_CA_FILE": __file__}, {"SSL_CA_FILE"}),
        ({"SECURITY_PROTOCOL": "TLS"}, {"SECURITY_PROTOCOL"}),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_CA_FILE": "/nowhere/ca.pem"}, {"SSL_CA_FILE"}),
    ],
)
def test_settings_of_kafka_that_contradict_each_other_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], named: set[str]
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"{KAFKA}{name}", value)
    with pytest.raises(SettingsInvalid) as wrong:
        from_environment(SalesSettings)
    assert {line.partition(":")[0] for line in str(wrong.value).splitlines()} == {f"{KAFKA}{name}" for name in named}


def test_settings_of_kafka_that_go_together_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "PLAIN", "SASL_USERNAME": "kith"}
    for name, value in {**given, "SASL_PASSWORD_FILE": __file__, "SSL_CA_FILE": __file__}.items():
        monkeypatch.setenv(f"{KAFKA}{name}", value)
    assert from_environment(SalesSettings).kafka_sasl_mechanism == "PLAIN"


DATABASE = "KITH_DATABASE_"


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"SSLMODE": "verify-full"}, {"SSLROOTCERT"}),
        ({"SSLROOTCERT": __file__}, {"SSLMODE"}),
        ({"SSLMODE": "on"}, {"SSLMODE"}),
        ({"SSLCERT": __file__}, {"SSLKEY"}),
        ({"SSLKEY": __file__}, {"SSLCERT"}),
        ({"PASSWORD_FILE": "/nowhere/password"}, {"PASSWORD_FILE"}),
        ({"PASSWORD_FILE": __file__, "URL_SALES": "postgresql://kith:secret@db.example/sales"}, {"PASSWORD_FILE"}),
        ({"OWNER_PASSWORD_FILE": __file__}, {"OWNER_PASSWORD_FILE"}),
        ({"URL_SALES": "mysql://db.example/sales"}, {"URL_SALES"}),
    ],
)
def test_settings_of_the_database_that_contradict_each_other_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], named: set[str]
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"{DATABASE}{name}", value)
    with pytest.raises(SettingsInvalid) as wrong:
        from_environment(SalesSettings)
    assert {line.partition(":")[0] for line in str(wrong.value).splitlines()} == {f"{DATABASE}{name}" for name in named}


def test_the_url_of_the_database_is_completed_and_what_it_says_itself_stands() -> None:
    settings = SalesSettings(
        database_url="postgresql:///sales?host=/run/postgresql&sslmode=disable",
        database_owner_url="postgresql://owner@db.example/sales",
        database_sslmode="verify-full",
        database_sslrootcert=Path(__file__),
        database_owner_password_file=Path(__file__),
    )
    said = f"sslrootcert={__file__}"
    assert settings.database == f"postgresql:///sales?host=/run/postgresql&sslmode=disable&{said}"
    owner = f"postgresql://owner@db.example/sales?sslmode=verify-full&{said}&password_file={__file__}"
    assert settings.owner_database == owner
    assert settings.model_copy(update={"database_owner_url": None}).owner_database == settings.database


@pytest.mark.parametrize(
    ("variable", "closest"),
    [
        ("KITH_POOLSIZE", "KITH_POOL_SIZE"),
        ("KITH_SHUTDOWN_SECOND", "KITH_SHUTDOWN_SECONDS"),
        ("KITH_KAFKA_SASL_PASWORD_FILE", "KITH_KAFKA_SASL_PASSWORD_FILE"),
        ("KITH_DATABASE_POOLER_URL_SALE", "KITH_DATABASE_POOLER_URL_SALES"),
        ("KITH_HOME", None),
    ],
)
def test_a_setting_that_is_misspelt_is_found_with_the_one_that_was_meant(variable: str, closest: str | None) -> None:
    assert unknown_variables(SalesSettings, ["PATH", "KITH_POOL_SIZE", variable]) == [(variable, closest)]


def test_what_other_services_of_a_machine_have_is_not_taken_for_misspelt() -> None:
    services = (ContactsSettings, SalesSettings, ServiceDeskSettings, AnalyticsSettings)
    everything = {variable_of(kind, field) for kind in services for field in kind.model_fields}
    for kind in services:
        found = unknown_variables(kind, everything)
        assert [each for each in found if each.closest is not None] == []
        assert not any("DATABASE" in each.variable or "PORT" in each.variable for each in found)


def test_a_process_says_at_start_which_setting_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_POOLSIZE", "secret")
    monkeypatch.setenv("KITH_OF_ANOTHER", "secret")
    with capture_logs() as logs:
        _warn_of_unknown(from_environment(SalesSettings))
    (warning,) = [each for each in logs if each["log_level"] == "warning"]
    assert (warning["variable"], warning["closest"]) == ("KITH_POOLSIZE", "KITH_POOL_SIZE")
    assert "KITH_OF_ANOTHER" in next(each for each in logs if each["log_level"] == "info")["variables"]
    assert "secret" not in str(logs)
