"""Checks of analytics: what `python -m analytics doctor` looks at, besides what it does of every service."""

from collections.abc import Sequence
from datetime import UTC, datetime

from analytics.ledger.freshness import freshness
from kith.doctor.check import Check, Examined, Problem, fault, warning
from kith.doctor.database import rows

STALE_SECONDS = 60
MONTHS_AHEAD = 3
QUEUED_SCORES = 10_000
RECONCILED_DAYS = 2


async def partitions(of: Examined) -> Sequence[Problem]:
    (found,) = await rows(
        of,
        """
        SELECT count(*) FILTER (WHERE relname > 'ledger_' || to_char(now(), 'YYYY_MM')) AS ahead,
               (SELECT n_live_tup > 0 FROM pg_stat_user_tables WHERE relname = 'ledger_default') AS stray
        FROM pg_class JOIN pg_inherits ON inhrelid = oid
        WHERE inhparent = 'public.ledger'::regclass AND relname ~ '^ledger_[0-9]{4}_[0-9]{2}$'
        """,
    )
    remedy = "python -m analytics migrate"
    problems = []
    if found.ahead < MONTHS_AHEAD:
        problems.append(warning(f"The ledger has partitions for {found.ahead} more months.", remedy))
    if found.stray:
        problems.append(warning("Events are in the ledger's default partition: no other was there for them.", remedy))
    return problems


async def epoch(of: Examined) -> Sequence[Problem]:
    same = await rows(
        of,
        "SELECT 1 FROM live_epoch e JOIN pg_control_system() c ON e.system_identifier = c.system_identifier::text",
    )
    if same:
        return []
    return [
        fault(
            "The database was restored from another PostgreSQL cluster: subscriptions are refused.",
            "python -m analytics migrate",
        )
    ]


async def figures(of: Examined) -> Sequence[Problem]:
    now = datetime.now(UTC)
    problems = []
    for each in await freshness(of.connection):
        if each.counted_up_to is None:
            problems.append(
                warning(
                    f"No event of {each.source} was ever counted.",
                    f"Start the workers of {each.source} and of analytics.",
                )
            )
        elif (age := (now - each.counted_up_to).total_seconds()) > STALE_SECONDS:
            problems.append(
                fault(
                    f"Figures lack what {each.source} recorded in the last {age:.0f} s.",
                    f"Look at {each.source} (python -m {each.source.replace('-', '_')} doctor); if its relay runs, "
                    "at the workers of analytics.",
                )
            )
    return problems


async def scores(of: Examined) -> Sequence[Problem]:
    (found,) = await rows(
        of,
        "SELECT (SELECT count(*) FROM (SELECT FROM health_queue LIMIT 1000000) q) AS queued, "
        "(SELECT count(*) FROM health_set_aside) AS set_aside, "
        "(SELECT count(*) FROM health_rescorings WHERE finished_at IS NULL "
        "AND requested_at < now() - interval '1 hour') AS slow",
    )
    problems = []
    if found.queued > QUEUED_SCORES:
        problems.append(
            warning(
                f"{found.queued:,} customers wait to be scored.",
                "It passes after a large import or a new model; if it grows, run more workers of analytics.",
            )
        )
    if found.set_aside:
        problems.append(
            warning(
                f"{found.set_aside:,} customers cannot be scored, and keep an old score.",
                "GET /v1/health/rescoring of their tenant has the reason.",
            )
        )
    if found.slow:
        problems.append(
            warning(f"{found.slow} tenants have been rescored for over an hour.", "Look for `not scored` in the log.")
        )
    return problems


async def reconciliation(of: Examined) -> Sequence[Problem]:
    last = await rows(
        of,
        """
        SELECT DISTINCT ON (tenant_id) tenant_id, state, mismatches, reason,
               finished_at < now() - make_interval(days => :days) AS old
        FROM reconciliations WHERE finished_at IS NOT NULL ORDER BY tenant_id, finished_at DESC
        """,
        days=RECONCILED_DAYS,
    )
    differ = [row.tenant_id for row in last if row.mismatches]
    failed = [row for row in last if row.state == "failed"]
    old = [row.tenant_id for row in last if row.old]
    problems = []
    if differ:
        problems.append(
            fault(
                f"Figures of {_named(differ)} are not what the services hold.",
                f"python -m analytics reconcile --tenant {differ[0]} names the records; python -m analytics rebuild "
                "makes the read models anew from the ledger.",
            )
        )
    if failed:
        problems.append(
            warning(
                f"{_named([row.tenant_id for row in failed])} could not be reconciled: {failed[0].reason}",
                f"python -m analytics reconcile --tenant {failed[0].tenant_id}",
            )
        )
    if old:
        problems.append(
            warning(
                f"{_named(old)} was not reconciled for {RECONCILED_DAYS} days.",
                "Look whether a worker of analytics has the settings of reconciliation (docs/operations.md).",
            )
        )
    return problems


def _named(tenants: Sequence[str]) -> str:
    return tenants[0] if len(tenants) == 1 else f"{tenants[0]} and {len(tenants) - 1} more tenants"


CHECKS = (
    Check("ledger partitions", partitions),
    Check("cluster", epoch),
    Check("figures", figures),
    Check("scores", scores),
    Check("reconciliation", reconciliation),
)
