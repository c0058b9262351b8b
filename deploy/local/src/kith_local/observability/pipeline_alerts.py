"""Alerts on the way of an event: outbox, bus, consumers, and the figures that come of it."""

from kith_local.observability.alert import Alert, Group, Severity

_SALES = 'kith_outbox_oldest_unpublished_seconds{service="sales"}'
_CONTACTS = 'kith_outbox_oldest_unpublished_seconds{service="contacts"}'
_DEAD = 'max by (group) (kith_dead_letters_unresolved{kind="failed"})'

EVENTS = Group(
    "kith-events",
    (
        Alert(
            "KithOutboxStalled",
            Severity.CRITICAL,
            "max by (service) (kith_outbox_oldest_unpublished_seconds) > 60",
            "Events of {{ $labels.service }} have not reached the bus for {{ $value | humanizeDuration }}.",
            lasts="1m",
            fires={_SALES: "0+60x20", _CONTACTS: "0x20"},
            quiet={_SALES: "0 30 59 2 0x16", _CONTACTS: "0x20"},
            labels={"service": "sales"},
        ),
        Alert(
            "KithRelayInterrupted",
            Severity.WARNING,
            "sum by (service) (increase(kith_outbox_interruptions_total[15m])) > 5",
            "The relay of {{ $labels.service }} begins again and again.",
            fires={'kith_outbox_interruptions_total{service="sales"}': "0+1x20"},
            quiet={'kith_outbox_interruptions_total{service="sales"}': "0x10 1x10"},
            labels={"service": "sales"},
        ),
        Alert(
            "KithConsumerHalted",
            Severity.CRITICAL,
            "max by (group) (kith_consumer_halted) > 0",
            "The consumer {{ $labels.group }} has stopped, and does not begin again by itself.",
            fires={'kith_consumer_halted{group="analytics",instance="a"}': "0x5 1x15"},
            quiet={'kith_consumer_halted{group="analytics",instance="a"}': "0x20"},
            labels={"group": "analytics"},
        ),
        Alert(
            "KithConsumerLagging",
            Severity.WARNING,
            "max by (group) (kith_consumer_lag_seconds) > 60",
            "The consumer {{ $labels.group }} is {{ $value | humanizeDuration }} late.",
            lasts="5m",
            fires={'kith_consumer_lag_seconds{group="analytics",instance="a"}': "0 0 100+10x18"},
            quiet={'kith_consumer_lag_seconds{group="analytics",instance="a"}': "0 0 900 900 0x16"},
            labels={"group": "analytics"},
        ),
        Alert(
            "KithConsumerRedelivering",
            Severity.WARNING,
            "sum by (group) (increase(kith_consumer_redeliveries_total[15m])) > 20",
            "The consumer {{ $labels.group }} tries its batches again and again.",
            fires={'kith_consumer_redeliveries_total{group="analytics"}': "0+4x20"},
            quiet={'kith_consumer_redeliveries_total{group="analytics"}': "0x15 5x5"},
            labels={"group": "analytics"},
        ),
        Alert(
            "KithDeadLetters",
            Severity.WARNING,
            f"{_DEAD} > 0",
            "{{ $value }} dead letters of {{ $labels.group }} are not resolved: what they say is not counted.",
            lasts="5m",
            fires={'kith_dead_letters_unresolved{group="analytics",kind="failed"}': "0x3 1x17"},
            quiet={
                'kith_dead_letters_unresolved{group="analytics",kind="failed"}': "0 1 1 0x17",
                'kith_dead_letters_unresolved{group="analytics",kind="parked"}': "7x20",
            },
            labels={"group": "analytics"},
        ),
        Alert(
            "KithDeadLettersManyFailed",
            Severity.CRITICAL,
            f"{_DEAD} > 50",
            "{{ $value }} dead letters of {{ $labels.group }}: at KITH_DEAD_LETTER_LIMIT (100) its consumer halts.",
            fires={'kith_dead_letters_unresolved{group="analytics",kind="failed"}': "0+5x20"},
            quiet={'kith_dead_letters_unresolved{group="analytics",kind="failed"}': "50x20"},
            labels={"group": "analytics"},
        ),
    ),
)

FIGURES = Group(
    "kith-figures",
    (
        Alert(
            "KithFiguresStale",
            Severity.CRITICAL,
            "max by (source) (kith_freshness_seconds) > 300",
            "Nothing that {{ $labels.source }} recorded in the last {{ $value | humanizeDuration }} is counted.",
            lasts="2m",
            fires={
                'kith_freshness_seconds{source="sales"}': "1+60x20",
                'kith_freshness_seconds{source="contacts"}': "1x20",
            },
            quiet={'kith_freshness_seconds{source="sales"}': "1 60 120 180 240 299 1x14"},
            labels={"source": "sales"},
        ),
        Alert(
            "KithReconciliationMismatch",
            Severity.WARNING,
            "max by (kind, metric) (kith_reconciliation_mismatch) > 0",
            "{{ $value }} differ between analytics and the services ({{ $labels.kind }}: {{ $labels.metric }}).",
            fires={'kith_reconciliation_mismatch{kind="record",metric="orders"}': "0x10 3x10"},
            quiet={'kith_reconciliation_mismatch{kind="record",metric="orders"}': "0x20"},
            labels={"kind": "record", "metric": "orders"},
        ),
        Alert(
            "KithReconciliationLate",
            Severity.WARNING,
            "max(kith_reconciliation_age_seconds) > 2 * 86400",
            "A tenant was last reconciled {{ $value | humanizeDuration }} ago.",
            fires={"kith_reconciliation_age_seconds": "172790+60x20"},
            quiet={"kith_reconciliation_age_seconds": "86400+60x20"},
        ),
        Alert(
            "KithScoringOverdue",
            Severity.WARNING,
            "max(kith_health_overdue_seconds) > 60",
            "Changes of band by silence are scored {{ $value | humanizeDuration }} late.",
            lasts="5m",
            fires={"kith_health_overdue_seconds": "0+60x20"},
            quiet={"kith_health_overdue_seconds": "0 1 90 0x17"},
        ),
        Alert(
            "KithScoringBacklog",
            Severity.WARNING,
            'max by (kind) (min_over_time(kith_health_backlog_customers{kind!="rescoring"}[10m])) > 1000',
            "Over 1000 customers have waited for ten minutes to be scored ({{ $labels.kind }}).",
            fires={'kith_health_backlog_customers{kind="changed"}': "0+500x20"},
            quiet={
                'kith_health_backlog_customers{kind="changed"}': "0x10 90000 0x9",
                'kith_health_backlog_customers{kind="rescoring"}': "90000x20",
            },
            labels={"kind": "changed"},
        ),
        Alert(
            "KithScoringFailed",
            Severity.WARNING,
            "sum(increase(kith_health_failed_total[1h])) > 0",
            "Customers could not be scored, and keep an old score.",
            fires={"kith_health_failed_total": "0x10 2x10"},
            quiet={"kith_health_failed_total": "2x20"},
        ),
        Alert(
            "KithPlaybooksFailed",
            Severity.WARNING,
            "sum(increase(kith_playbook_failed_total[1h])) > 0",
            "A playbook did not act where it may have had to.",
            fires={"kith_playbook_failed_total": "0x10 1x10"},
            quiet={"kith_playbook_failed_total": "3x20"},
        ),
        Alert(
            "KithComputationLost",
            Severity.WARNING,
            "sum by (lane) (increase(kith_offload_lost_total[1h])) > 2",
            "Processes for computation ({{ $labels.lane }}) die, or take too long.",
            fires={'kith_offload_lost_total{lane="live"}': "0+1x20"},
            quiet={'kith_offload_lost_total{lane="live"}': "0x10 1x10"},
            labels={"lane": "live"},
        ),
    ),
)
