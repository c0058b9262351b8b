"""The dashboard of the business, of all tenants together. What one tenant wants to know, the API answers."""

from kith_local.observability.dashboard import Dashboard, Panel, Query, Row

_RATE = "[$__rate_interval]"


def _events(**types: str) -> tuple[Query, ...]:
    """Events an hour, by type: what they are called, and the type."""
    return tuple(
        Query(f'3600 * sum(rate(kith_ledger_events_total{{type="{type}"}}{_RATE}))', name.replace("_", " "))
        for name, type in types.items()
    )


_HEALTH = Row(
    "Health",
    (
        Panel(
            "Customers, by band",
            (Query("max by (band) (kith_health_customers)", "{{band}}"),),
            "short",
            "As of their last scoring: within seconds of an event, and at the instant at which silence changes it.",
            stacked=True,
        ),
        Panel(
            "At risk",
            (
                Query(
                    'max(kith_health_customers{band="at_risk"}) / sum(max by (band) (kith_health_customers))', "at risk"
                ),
            ),
            "percentunit",
            kind="stat",
        ),
        Panel(
            "Changes an hour",
            _events(
                changes_of_band="analytics.health.changed.v1", actions_of_playbooks="analytics.action.requested.v1"
            ),
            "short",
        ),
    ),
)
_RETENTION = Row(
    "Retention: by purchases within 90 days, of all tenants",
    (
        Panel(
            "Retained over 30 days",
            (
                Query(
                    'max(kith_activity_customers{active="retained"}) / max(kith_activity_customers{active="before"})',
                    "retained",
                ),
            ),
            "percentunit",
            "Of the customers that had bought within 90 days a month ago, those that have now. By one definition for "
            "all tenants; a tenant's own definitions are answered by the API.",
            kind="stat",
        ),
        Panel(
            "Active customers",
            (
                Query('max(kith_activity_customers{active="now"})', "now"),
                Query('max(kith_activity_customers{active="before"})', "30 days ago, as known now"),
            ),
            "short",
        ),
        Panel(
            "Lost over 30 days",
            (
                Query(
                    'max(kith_activity_customers{active="before"}) - max(kith_activity_customers{active="retained"})',
                    "lost",
                ),
            ),
            "short",
        ),
    ),
)
_PIPELINE = Row(
    "Pipeline: what is open, and an hour",
    (
        Panel(
            "Open opportunities, by forecast category",
            (Query("max by (forecast_category) (kith_pipeline_opportunities)", "{{forecast_category}}"),),
            "short",
            stacked=True,
        ),
        Panel(
            "Opportunities",
            _events(
                opened="sales.opportunity.opened.v1",
                advanced="sales.opportunity.advanced.v1",
                won="sales.opportunity.won.v1",
                lost="sales.opportunity.lost.v1",
            ),
            "short",
        ),
        Panel("Orders", _events(placed="sales.order.placed.v1", returned="sales.order.returned.v1"), "short"),
        Panel("Tasks", _events(created="sales.task.created.v1", completed="sales.task.completed.v1"), "short"),
    ),
)
_SERVICE = Row(
    "Service: what is unresolved, and an hour",
    (
        Panel(
            "Unresolved cases, by state",
            (Query("sum by (state) (max by (state, priority) (kith_cases_unresolved))", "{{state}}"),),
            "short",
            "Whether a case keeps to its service level is not recorded yet: there is no panel of it.",
            stacked=True,
        ),
        Panel(
            "Unresolved cases, by priority",
            (Query("sum by (priority) (max by (state, priority) (kith_cases_unresolved))", "{{priority}}"),),
            "short",
            stacked=True,
        ),
        Panel(
            "Cases",
            _events(
                opened="service-desk.case.opened.v1",
                resolved="service-desk.case.resolved.v1",
                reopened="service-desk.case.reopened.v1",
            ),
            "short",
        ),
        Panel("Escalated", _events(escalated="service-desk.case.escalated.v1"), "short"),
        Panel(
            "Customers and touchpoints",
            _events(new_customers="contacts.customer.created.v1", touchpoints="contacts.touchpoint.recorded.v1"),
            "short",
        ),
    ),
)

BUSINESS = Dashboard(
    "kith-business",
    "Kith: business",
    "Customers, opportunities, cases and events of all tenants together, live. One tenant's figures are its API's.",
    (_HEALTH, _RETENTION, _PIPELINE, _SERVICE),
)
