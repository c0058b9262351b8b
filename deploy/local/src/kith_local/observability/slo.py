"""Service level objectives, and alerts on how fast their error budgets burn.

Multi-window, multi-burn-rate alerts, as in chapter 5 of Google's SRE Workbook: over the long window a notable part of
the budget of 30 days is gone, and the short one says that it still burns.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kith_local.observability.alert import Alert, Group, Record, Series, Severity

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_SLOW_ROUTES = ".*:(bulk|export)"
"""Their requests take as long as there are rows."""


@dataclass(frozen=True)
class Burn:
    rate: float
    """So many times faster than the budget would last 30 days."""
    long: str
    short: str
    severity: Severity


BURNS = (
    Burn(14.4, "1h", "5m", Severity.CRITICAL),
    Burn(6, "6h", "30m", Severity.CRITICAL),
    Burn(3, "1d", "2h", Severity.WARNING),
    Burn(1, "3d", "6h", Severity.WARNING),
)


@dataclass(frozen=True)
class Objective:
    name: str
    alert: str
    target: float
    """The part of requests, or of time, that has to be good."""
    what: str
    """What is good, as a sentence of docs/slo.md."""
    by: str | None
    """The label by which it is held."""
    errors: str
    """The part that is not good, over the window `%s`."""
    fires: Series
    quiet: Series
    labels: Mapping[str, str]

    @property
    def record(self) -> str:
        return f"kith:{self.name}:error_ratio"

    def records(self) -> Iterator[Record]:
        for window in WINDOWS:
            yield Record(f"{self.record}_{window}", self.errors.replace("%s", window))

    def alerts(self) -> Iterator[Alert]:
        whose = f" of {{{{ $labels.{self.by} }}}}" if self.by else ""
        for burn in BURNS:
            budget = f"{burn.rate:g} * {1 - self.target:.4g}"
            yield Alert(
                self.alert,
                burn.severity,
                f"{self.record}_{burn.long} > {budget} and {self.record}_{burn.short} > {budget}",
                f"The error budget ({self.name}){whose} burns {burn.rate:g} times too fast: {{{{ $value | "
                f"humanizePercentage }}}} of {burn.long} was not as docs/slo.md says.",
                fires=self.fires,
                quiet=self.quiet,
                labels={**self.labels, "window": burn.long},
                at="3d",
            )


def _ratio(bad: str, all: str, by: str | None) -> str:
    grouping = f" by ({by})" if by else ""
    return f"1 - sum{grouping} (rate({bad}[%s])) / sum{grouping} (rate({all}[%s]))"


_REQUESTS = "kith_http_request_seconds_count"
_LATENCY = "kith_http_request_seconds_bucket"
_STALE = "kith:freshness:stale"
_GATEWAY = "kith_gateway_requests_total"


def _requests(status: str, values: str) -> Series:
    return {f'{_REQUESTS}{{service="sales",method="GET",route="/v1/orders",status="{status}"}}': values}


def _latencies(fast: str, all: str) -> Series:
    labels = 'service="sales",method="GET",route="/v1/orders",status="200"'
    slow = 'service="sales",method="GET",route="/v1/orders:export",status="200"'
    return {
        f'{_LATENCY}{{{labels},le="0.5"}}': fast,
        f'{_LATENCY}{{{labels},le="+Inf"}}': all,
        f'{_LATENCY}{{{slow},le="0.5"}}': "0x4320",
        f'{_LATENCY}{{{slow},le="+Inf"}}': "0+900x4320",
    }


OBJECTIVES = (
    Objective(
        "api_availability",
        "KithApiAvailabilityBurn",
        0.999,
        "of the requests to the API of a service are answered with a status below 500",
        "service",
        # A ratio of what is bad: before the first one there is no such series.
        f'(sum by (service) (rate({_REQUESTS}{{status=~"5.."}}[%s])) or sum by (service) (rate({_REQUESTS}[%s])) * 0)'
        f" / sum by (service) (rate({_REQUESTS}[%s]))",
        {**_requests("200", "0+100x4320"), **_requests("503", "0+2x4320")},
        {**_requests("200", "0+10000x4320"), **_requests("503", "0+2x4320"), **_requests("404", "0+900x4320")},
        {"service": "sales"},
    ),
    Objective(
        "api_latency",
        "KithApiLatencyBurn",
        0.99,
        "of the requests to the API of a service, bulk requests and exports aside, are answered within half a second",
        "service",
        _ratio(
            f'{_LATENCY}{{le="0.5",route!~"{_SLOW_ROUTES}"}}',
            f'{_LATENCY}{{le="+Inf",route!~"{_SLOW_ROUTES}"}}',
            "service",
        ),
        _latencies("0+80x4320", "0+100x4320"),
        _latencies("0+995x4320", "0+1000x4320"),
        {"service": "sales"},
    ),
    Objective(
        "gateway_availability",
        "KithGatewayAvailabilityBurn",
        0.999,
        "of the requests to the gateway are answered with a status below 500",
        None,
        f'(sum(rate({_GATEWAY}{{status=~"5.."}}[%s])) or sum(rate({_GATEWAY}[%s])) * 0) / sum(rate({_GATEWAY}[%s]))',
        {f'{_GATEWAY}{{status="200"}}': "0+100x4320", f'{_GATEWAY}{{status="502"}}': "0+2x4320"},
        {f'{_GATEWAY}{{status="200"}}': "0+9000x4320", f'{_GATEWAY}{{status="499"}}': "0+90x4320"},
        {},
    ),
    Objective(
        "freshness",
        "KithFreshnessBurn",
        0.995,
        "of the time all that a service recorded is counted by analytics within a minute",
        "source",
        f"avg_over_time({_STALE}[%s])",
        {'kith_freshness_seconds{source="sales"}': "90x4320", 'kith_freshness_seconds{source="contacts"}': "1x4320"},
        {'kith_freshness_seconds{source="sales"}': "2x1000 90x3 2x3317"},
        {"source": "sales"},
    ),
)


def _rules() -> Iterator[Alert | Record]:
    yield Record(_STALE, "max by (source) (kith_freshness_seconds) > bool 60")
    for each in OBJECTIVES:
        yield from each.records()
        yield from each.alerts()


SLOS = Group("kith-slo", tuple(_rules()))
