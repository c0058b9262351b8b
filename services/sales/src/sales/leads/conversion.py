"""The conversion of a lead: a customer and a contact in contacts, then an opportunity here. All of it comes about, or
nothing does."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from kith.errors import Conflict
from kith.ids import new_id
from kith.processes.declared import Body, Creates, LocalCommand, Process, Run
from sales.leads.form import CONVERSION, LEADS, EndConversion, UndoConversion
from sales.leads.rules import Lead
from sales.opportunities.form import OPPORTUNITIES, OpenOpportunity

_END, _UNDO, *_ = LEADS.internal


def customer_of(run: Run) -> Body | None:
    lead = _readable(run)
    if _known(run) is not None:
        return None
    return {
        "kind": "person" if lead.company is None else "organisation",
        "name": lead.company or lead.name,
        "country": lead.country,
        "source": lead.source,
        "owner_id": lead.owner_id,
        **_custom_of(run, "customer"),
        **_on_duplicate(run),
    }


def contact_of(run: Run) -> Body | None:
    lead = _readable(run)
    if _known_contact(run) is not None:
        return None
    return {
        "customer_id": _customer(run),
        "name": lead.name,
        "email": lead.email,
        "phone": lead.phone,
        "country": lead.country,
        "title": lead.title,
        **_custom_of(run, "contact"),
        **_on_duplicate(run),
    }


def ended(run: Run) -> Sequence[LocalCommand]:
    lead, params, customer_id = _readable(run), run.params, _customer(run)
    calls, opportunity_id = list[LocalCommand](), None
    if (name := params["opportunity_name"]) is not None:
        opportunity_id = new_id()
        opened = OpenOpportunity(
            name=name,
            customer_id=customer_id,
            owner_id=lead.owner_id,
            source=lead.source,
            campaign=lead.campaign,
            pipeline_id=None if "pipeline_id" not in params else UUID(params["pipeline_id"]),
            currency=params["currency"],
            value=None if "value" not in params else Decimal(params["value"]),
            expected_close=None if "expected_close" not in params else date.fromisoformat(params["expected_close"]),
        )
        calls.append(LocalCommand(OPPORTUNITIES, OPPORTUNITIES.create, opened, creates=opportunity_id))
    contact_id = run.made["contact"] or _known_contact(run)
    end = EndConversion(customer_id=customer_id, contact_id=contact_id, opportunity_id=opportunity_id)
    return (*calls, LocalCommand(LEADS, _END, end, id=lead.id))


def released(run: Run) -> Sequence[LocalCommand]:
    return (LocalCommand(LEADS, _UNDO, UndoConversion(), id=run.about_id),)


def _customer(run: Run) -> UUID:
    found = run.made["customer"] or _known(run)
    assert found is not None
    return found


def _known(run: Run) -> UUID | None:
    """Returns the customer that is there already: the one that was named, or the lead's own."""
    named = run.params.get("existing_customer_id")
    known: UUID | None = run.about.customer_id
    return known if named is None else UUID(named)


def _known_contact(run: Run) -> UUID | None:
    named = run.params.get("existing_contact_id")
    return None if named is None else UUID(named)


def _custom_of(run: Run, what: str) -> Body:
    """Returns the values of custom fields; what was asked for by code of before says none."""
    held = ("custom", "custom_personal")
    return {name: values for name in held if (values := run.params.get(f"{what}_{name}"))}


def _on_duplicate(run: Run) -> Body:
    return {"on_duplicate": "refuse"} if run.params.get("refuse_duplicates") else {}


def _readable(run: Run) -> Lead:
    """Returns the lead. Raises Conflict for one that was erased: there is nobody to make a contact of."""
    lead: Lead | None = run.about
    if lead is None or lead.name is None:
        raise Conflict(f"Lead {run.about_id} was erased.")
    return lead


LEAD_CONVERSION = Process(
    CONVERSION,
    LEADS,
    (
        Creates("customer", "contacts", "customers", customer_of),
        Creates("contact", "contacts", "contacts", contact_of),
    ),
    ends=ended,
    undone=released,
)
