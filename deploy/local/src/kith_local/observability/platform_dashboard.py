"""The dashboard of the platform: requests, the way of an event, figures, the gateway."""

from kith_local.observability.dashboard import Dashboard, Panel, Query, Row

_REQUESTS = "kith_http_request_seconds"
_RATE = "[$__rate_interval]"


def _class(part: str) -> str:
    """Requests by class: bulk, export and graphql by their route, all others by their method."""
    by_method = f'label_replace(rate({_REQUESTS}_{part}{_RATE}), "class", "$1", "method", "(.*)")'
    return f'label_replace({by_method}, "class", "$1", "route", ".*(bulk|export|graphql).*")'


def _quantile(quantile: float, by: str, rate: str) -> str:
    return f"histogram_quantile({quantile}, sum by ({by}, le) ({rate}))"


_RED = Row(
    "Requests: rate, errors, duration",
    (
        Panel(
            "Requests, by service",
            (Query(f"sum by (service) (rate({_REQUESTS}_count{_RATE}))", "{{service}}"),),
            "reqps",
        ),
        Panel(
            "Errors (5xx), by service",
            (
                Query(
                    f'sum by (service) (rate({_REQUESTS}_count{{status=~"5.."}}{_RATE}))'
                    f" / sum by (service) (rate({_REQUESTS}_count{_RATE}))",
                    "{{service}}",
                ),
            ),
            "percentunit",
            alarm=0.001,
        ),
        Panel(
            "Duration, 99th percentile, by service",
            (Query(_quantile(0.99, "service", f"rate({_REQUESTS}_bucket{_RATE})"), "{{service}}", exemplars=True),),
            "s",
            alarm=0.5,
        ),
    ),
)
_BY_CLASS = Row(
    "Requests by class: bulk, export, graphql, and all others by method",
    (
        Panel("Requests", (Query(f"sum by (service, class) ({_class('count')})", "{{service}} {{class}}"),), "reqps"),
        Panel(
            "Errors (5xx), by route",
            (
                Query(
                    f"sum by (service, route) (rate(kith_http_errors_total{_RATE}))",
                    "{{service}} {{route}}",
                ),
            ),
            "reqps",
        ),
        Panel(
            "Duration, 99th percentile",
            (Query(_quantile(0.99, "service, class", _class("bucket")), "{{service}} {{class}}"),),
            "s",
        ),
    ),
)
_SHARED = Row(
    "What requests share",
    (
        Panel(
            "Wait for a database connection, 95th percentile",
            (Query(_quantile(0.95, "pool", f"rate(kith_database_wait_seconds_bucket{_RATE})"), "{{pool}}"),),
            "s",
            alarm=0.5,
        ),
        Panel(
            "Requests refused, and requests that wait",
            (
                Query(f"sum by (reason) (rate(kith_requests_refused_total{_RATE}))", "refused: {{reason}}"),
                Query("sum(kith_requests_waiting)", "wait now"),
            ),
            "short",
        ),
        Panel(
            "Processes that do not answer",
            (Query('count by (job) (up{job=~"kith-.+"} == 0) or vector(0)', "{{job}}"),),
            "short",
            alarm=1,
        ),
        Panel("Memory", (Query('sum by (job) (process_resident_memory_bytes{job=~"kith-.+"})', "{{job}}"),), "bytes"),
    ),
)
_EVENTS = Row(
    "The way of an event",
    (
        Panel(
            "Outbox: age of the oldest event",
            (Query("max by (service) (kith_outbox_oldest_unpublished_seconds)", "{{service}}"),),
            "s",
            alarm=60,
        ),
        Panel(
            "Consumers: lag",
            (Query("max by (group) (kith_consumer_lag_seconds)", "{{group}}"),),
            "s",
            alarm=60,
        ),
        Panel(
            "References that no event has confirmed, after a minute",
            (Query("max by (noun) (kith_unconfirmed_references)", "{{noun}}"),),
            "short",
            alarm=1,
        ),
        Panel(
            "Published, and applied",
            (
                Query(f"sum by (service) (rate(kith_outbox_published_total{_RATE}))", "published: {{service}}"),
                Query(f"sum by (group) (rate(kith_consumer_events_total{_RATE}))", "applied: {{group}}"),
            ),
            "ops",
        ),
        Panel(
            "Dead letters that are not resolved",
            (Query("max by (group, kind) (kith_dead_letters_unresolved)", "{{group}}: {{kind}}"),),
            "short",
            alarm=1,
        ),
    ),
)
_CONSUMERS = Row(
    "Consumers",
    (
        Panel(
            "Messages left on the bus",
            (Query("sum by (group) (kith_consumer_lag_messages)", "{{group}}"),),
            "short",
        ),
        Panel(
            "A batch, 95th percentile",
            (Query(_quantile(0.95, "group", f"rate(kith_consumer_batch_seconds_bucket{_RATE})"), "{{group}}"),),
            "s",
        ),
        Panel(
            "Batches tried again, or rolled back",
            (
                Query(f"sum by (group) (rate(kith_consumer_redeliveries_total{_RATE}))", "again: {{group}}"),
                Query(f"sum by (group) (rate(kith_consumer_replaced_total{_RATE}))", "rolled back: {{group}}"),
            ),
            "ops",
        ),
        Panel("Consumers halted", (Query("max by (group) (kith_consumer_halted)", "{{group}}"),), "short", alarm=1),
    ),
)
_FIGURES = Row(
    "Figures",
    (
        Panel("Freshness", (Query("max by (source) (kith_freshness_seconds)", "{{source}}"),), "s", alarm=60),
        Panel(
            "Customers that wait to be scored",
            (Query("max by (kind) (kith_health_backlog_customers)", "{{kind}}"),),
            "short",
        ),
        Panel("Scoring overdue", (Query("max(kith_health_overdue_seconds)", "silence"),), "s", alarm=60),
        Panel(
            "Background tasks: lateness",
            (Query("max by (task) (kith_task_late_seconds) > 1", "{{task}}"),),
            "s",
            "How long after its time a task of a worker is not done. One that is done in time is not shown.",
        ),
        Panel(
            "Web forms",
            (Query(f"sum by (result) (rate(kith_lead_form_submissions_total{_RATE}))", "{{result}}"),),
            "ops",
            "What visitors sent, a second, by what became of it.",
        ),
        Panel(
            "Timers that went off",
            (Query(f"sum by (command, outcome) (rate(kith_timers_total{_RATE}))", "{{command}} {{outcome}}"),),
            "ops",
            "Commands that records were given by themselves, a second.",
        ),
        Panel(
            "Reactions",
            (
                Query(f"sum by (command, outcome) (rate(kith_reactions_total{_RATE}))", "{{command}} {{outcome}}"),
                Query("max by (command) (kith_reactions_pending)", "{{command}}: events that wait"),
            ),
            "short",
            "Commands that records were given because of an event, a second; and events of which more of them wait.",
        ),
        Panel(
            "Processes that ended",
            (
                Query(f"sum by (kind, outcome) (rate(kith_processes_total{_RATE}))", "{{kind}} {{outcome}}"),
                Query(f"sum by (kind) (rate(kith_process_failures_total{_RATE}))", "{{kind}} tried again"),
            ),
            "ops",
            "Conversions of leads, say, a second; and their steps that failed, and are tried again.",
        ),
        Panel(
            "Processes that are stuck",
            (Query("max by (kind) (kith_processes_stuck)", "{{kind}}"),),
            "short",
            alarm=1,
        ),
        Panel(
            "Timers: lateness, 99th percentile",
            (Query(f"histogram_quantile(0.99, sum by (le) (rate(kith_timer_lateness_seconds_bucket{_RATE})))"),),
            "s",
            alarm=1,
        ),
        Panel(
            "Rows of imports",
            (Query(f"sum by (outcome) (rate(kith_import_rows_total{_RATE}))", "{{outcome}}"),),
            "ops",
            "What became of them, a second. Those of dry runs are not counted.",
        ),
        Panel(
            "Rows of exports",
            (Query(f"sum by (noun) (rate(kith_export_rows_total{_RATE}))", "{{noun}}"),),
            "ops",
            "Written by jobs, a second.",
        ),
        Panel(
            "Attachments: bytes",
            (Query(f"sum by (way) (rate(kith_attachment_bytes_total{_RATE}))", "{{way}}"),),
            "bytes",
            "Taken in and sent, a second.",
        ),
        Panel(
            "Attachments: faults of the store",
            (Query(f"sum by (operation) (rate(kith_attachment_store_faults_total{_RATE}))", "{{operation}}"),),
            "ops",
        ),
        Panel(
            "Computation beside the loop, 95th percentile",
            (Query(_quantile(0.95, "lane", f"rate(kith_offload_seconds_bucket{_RATE})"), "{{lane}}"),),
            "s",
        ),
    ),
)
_RECONCILIATION = Row(
    "Reconciliation",
    (
        Panel(
            "What differs from the services",
            (Query("max by (kind, metric) (kith_reconciliation_mismatch)", "{{kind}}: {{metric}}"),),
            "short",
            alarm=1,
        ),
        Panel(
            "Since the oldest last reconciliation", (Query("max(kith_reconciliation_age_seconds)"),), "s", alarm=172800
        ),
        Panel(
            "Customers not scored, playbooks, jobs and tasks that failed",
            (
                Query(f"sum(increase(kith_health_failed_total{_RATE}))", "not scored"),
                Query(f"sum(increase(kith_playbook_failed_total{_RATE}))", "playbooks"),
                Query(f"sum by (kind) (increase(kith_jobs_failed_total{_RATE})) > 0", "job: {{kind}}"),
                Query(f"sum by (task) (increase(kith_task_faults_total{_RATE})) > 0", "{{task}}"),
            ),
            "short",
            alarm=1,
        ),
        Panel(
            "Records that rules of retention have erased, and could not erase",
            (Query(f"sum by (noun, outcome) (increase(kith_retention_records_total{_RATE}))", "{{noun}} {{outcome}}"),),
            "short",
        ),
    ),
)
_GATEWAY = Row(
    "Gateway",
    (
        Panel(
            "Requests, by status",
            (Query(f"sum by (status) (rate(kith_gateway_requests_total{_RATE}))", "{{status}}"),),
            "reqps",
        ),
        Panel(
            "Duration",
            (
                Query(_quantile(0.5, "job", f"rate(kith_gateway_request_seconds_bucket{_RATE})"), "half"),
                Query(_quantile(0.99, "job", f"rate(kith_gateway_request_seconds_bucket{_RATE})"), "99 of 100"),
            ),
            "s",
        ),
        Panel(
            "Refused, and not answered by a subgraph",
            (
                Query(f"sum by (code, measure) (rate(kith_gateway_refused_total{_RATE}))", "{{code}} {{measure}}"),
                Query(
                    f"sum by (subgraph) (rate(kith_gateway_subgraph_errors_total{_RATE}))", "no answer: {{subgraph}}"
                ),
            ),
            "ops",
        ),
        Panel(
            "WebSockets",
            (
                Query("sum(kith_gateway_connections)", "at the gateway"),
                Query("sum(kith_live_connections)", "at services"),
                Query("sum(kith_live_subscriptions)", "subscriptions"),
            ),
            "short",
        ),
    ),
)
_BUDGETS = Row(
    "Error budgets: the part of six hours that was not as the objectives say",
    (
        Panel(
            "API: availability",
            (Query("kith:api_availability:error_ratio_6h", "{{service}}"),),
            "percentunit",
            alarm=0.001,
        ),
        Panel("API: latency", (Query("kith:api_latency:error_ratio_6h", "{{service}}"),), "percentunit", alarm=0.01),
        Panel(
            "Gateway: availability", (Query("kith:gateway_availability:error_ratio_6h"),), "percentunit", alarm=0.001
        ),
        Panel("Freshness", (Query("kith:freshness:error_ratio_6h", "{{source}}"),), "percentunit", alarm=0.005),
    ),
)

PLATFORM = Dashboard(
    "kith-platform",
    "Kith: platform",
    "Requests, events, figures and the gateway. Red lines are the thresholds of alerts: docs/observability.md.",
    (_BUDGETS, _RED, _BY_CLASS, _SHARED, _EVENTS, _CONSUMERS, _FIGURES, _RECONCILIATION, _GATEWAY),
)
