"""Alerts on processes and their requests: APIs, gateway, workers."""

from kith_local.observability.alert import Alert, Group, Severity

SERVICES = ("contacts", "sales", "service-desk", "analytics")
_AGE = "kith_outbox_oldest_unpublished_seconds"
_ALL_WORKERS = {f'{_AGE}{{service="{service}"}}': "0x20" for service in SERVICES}

PROCESSES = Group(
    "kith-processes",
    (
        Alert(
            "KithProcessDown",
            Severity.CRITICAL,
            'up{job=~"kith-.+"} == 0',
            "{{ $labels.job }} at {{ $labels.instance }} does not answer.",
            lasts="2m",
            fires={
                'up{job="kith-sales-api",instance="a"}': "1x5 0x15",
                'up{job="kith-sales-api",instance="b"}': "1x20",
            },
            quiet={'up{job="kith-sales-api",instance="a"}': "1x5 0 1x14", 'up{job="node",instance="a"}': "0x20"},
            labels={"job": "kith-sales-api", "instance": "a"},
        ),
        Alert(
            "KithWorkerMissing",
            Severity.CRITICAL,
            " or ".join(f'absent({_AGE}{{service="{service}"}})' for service in SERVICES),
            "No worker of {{ $labels.service }} is scraped: its events stay where they are.",
            lasts="5m",
            fires={name: values for name, values in _ALL_WORKERS.items() if "sales" not in name},
            quiet=_ALL_WORKERS,
            labels={"service": "sales"},
        ),
        Alert(
            "KithAuditLogNotWritten",
            Severity.CRITICAL,
            "sum by (service) (increase(kith_audit_lost_total[15m])) > 0 "
            "or max by (service) (kith_audit_waiting_entries) > 1000",
            "The audit log of {{ $labels.service }} lacks {{ $value | humanize }} entries of who has read what.",
            lasts="1m",
            fires={'kith_audit_waiting_entries{service="sales"}': "0+1000x20"},
            quiet={
                'kith_audit_waiting_entries{service="sales"}': "0 900 0x18",
                'kith_audit_lost_total{service="sales"}': "7x20",
            },
            labels={"service": "sales"},
        ),
        Alert(
            "KithAttachmentStoreFailing",
            Severity.WARNING,
            "sum by (operation) (increase(kith_attachment_store_faults_total[10m])) > 0",
            "The store of attachments fails: {{ $labels.operation }}.",
            lasts="5m",
            fires={'kith_attachment_store_faults_total{operation="put"}': "0+3x20"},
            quiet={'kith_attachment_store_faults_total{operation="put"}': "7x20"},
            labels={"operation": "put"},
        ),
        Alert(
            "KithDatabaseWaits",
            Severity.WARNING,
            "histogram_quantile(0.95, sum by (pool, le) (rate(kith_database_wait_seconds_bucket[5m]))) > 0.5",
            "One in twenty waits over {{ $value | humanizeDuration }} for a connection ({{ $labels.pool }}).",
            lasts="10m",
            fires={
                'kith_database_wait_seconds_bucket{pool="requests",le="0.5"}': "0+50x20",
                'kith_database_wait_seconds_bucket{pool="requests",le="5"}': "0+100x20",
                'kith_database_wait_seconds_bucket{pool="requests",le="+Inf"}': "0+100x20",
            },
            quiet={
                'kith_database_wait_seconds_bucket{pool="requests",le="0.5"}': "0+99x20",
                'kith_database_wait_seconds_bucket{pool="requests",le="5"}': "0+100x20",
                'kith_database_wait_seconds_bucket{pool="requests",le="+Inf"}': "0+100x20",
            },
            labels={"pool": "requests"},
        ),
        Alert(
            "KithOverloaded",
            Severity.CRITICAL,
            'sum(rate(kith_requests_refused_total{reason="overload"}[5m])) > 0',
            "All tenants together ask more than the API processes can answer: requests are refused.",
            lasts="2m",
            fires={'kith_requests_refused_total{reason="overload"}': "0+60x20"},
            quiet={
                'kith_requests_refused_total{reason="overload"}': "7x20",
                'kith_requests_refused_total{reason="rate"}': "0+600x20",
            },
        ),
        Alert(
            "KithTenantsThrottled",
            Severity.INFO,
            'sum by (reason) (rate(kith_requests_refused_total{reason!="overload"}[15m])) > 1',
            "A tenant sends more than its share: {{ $value | humanize }} requests a second are refused.",
            lasts="15m",
            fires={'kith_requests_refused_total{reason="rate"}': "0+600x40"},
            quiet={'kith_requests_refused_total{reason="rate"}': "0+6x40"},
            labels={"reason": "rate"},
            at="40m",
        ),
        Alert(
            "KithLeadFormsFlooded",
            Severity.INFO,
            'sum(rate(kith_lead_form_submissions_total{result="limited"}[15m])) > 1',
            "Web forms are sent more than they take: {{ $value | humanize }} submissions a second are refused.",
            lasts="15m",
            fires={'kith_lead_form_submissions_total{result="limited"}': "0+600x40"},
            quiet={
                'kith_lead_form_submissions_total{result="limited"}': "0+6x40",
                'kith_lead_form_submissions_total{result="accepted"}': "0+600x40",
            },
            labels={},
            at="40m",
        ),
        Alert(
            "KithConnectionsCut",
            Severity.INFO,
            "sum by (reason) (rate(kith_connections_cut_total[15m])) > 1",
            "Connections are closed on clients ({{ $labels.reason }}): a bad line, or an attack.",
            lasts="15m",
            fires={'kith_connections_cut_total{reason="slow"}': "0+600x40"},
            quiet={'kith_connections_cut_total{reason="slow"}': "0+6x40"},
            labels={"reason": "slow"},
            at="40m",
        ),
    ),
)

GATEWAY = Group(
    "kith-gateway",
    (
        Alert(
            "KithGatewaySubgraphFailing",
            Severity.CRITICAL,
            "sum by (subgraph) (rate(kith_gateway_subgraph_errors_total[5m])) > 0",
            "The gateway gets no answer from {{ $labels.subgraph }}: its fields are null.",
            lasts="5m",
            fires={'kith_gateway_subgraph_errors_total{subgraph="sales"}': "0+6x20"},
            quiet={'kith_gateway_subgraph_errors_total{subgraph="sales"}': "0x10 3x10"},
            labels={"subgraph": "sales"},
        ),
        Alert(
            "KithGatewayFaults",
            Severity.WARNING,
            "sum by (kind) (increase(kith_gateway_faults_total[15m])) > 0",
            "The gateway met an internal fault ({{ $labels.kind }}).",
            fires={'kith_gateway_faults_total{kind="operation"}': "0x10 1x10"},
            quiet={'kith_gateway_faults_total{kind="operation"}': "1x20"},
            labels={"kind": "operation"},
        ),
        Alert(
            "KithGatewayProcessDied",
            Severity.WARNING,
            "sum(increase(kith_gateway_deaths_total[15m])) > 0",
            "A process of the gateway ended by itself, and was replaced.",
            fires={"kith_gateway_deaths_total": "0x10 1x10"},
            quiet={"kith_gateway_deaths_total": "1x20"},
        ),
        Alert(
            "KithQueriesRefused",
            Severity.INFO,
            'sum by (measure) (rate(kith_gateway_refused_total{measure!=""}[15m])) > 0.1',
            "A client sends queries above the limits ({{ $labels.measure }}).",
            lasts="15m",
            fires={'kith_gateway_refused_total{code="query-too-costly",measure="cost"}': "0+60x40"},
            quiet={
                'kith_gateway_refused_total{code="query-too-costly",measure="cost"}': "0+1x40",
                'kith_gateway_refused_total{code="unauthenticated",measure=""}': "0+600x40",
            },
            labels={"measure": "cost"},
            at="40m",
        ),
        Alert(
            "KithWebSocketsRefused",
            Severity.WARNING,
            'sum(increase(kith_gateway_connections_refused_total{reason="all"}[10m])) > 0'
            ' or sum(increase(kith_live_connections_refused_total{reason="all"}[10m])) > 0',
            "WebSockets are refused as all of a process are taken.",
            fires={'kith_gateway_connections_refused_total{reason="all"}': "0+1x20"},
            quiet={'kith_gateway_connections_refused_total{reason="tenant"}': "0+9x20"},
        ),
    ),
)
