"""What a merge of customers would do, before it is done."""

from contacts.adoptions.form import adoptions
from contacts.attachments.form import attachments
from contacts.consents.form import consents
from contacts.contacts.form import contacts
from contacts.customers.form import CUSTOMERS, MergeCustomer, customers
from contacts.customers.rules import MergedField
from contacts.merging.dry_run import dry_run_feature
from contacts.notes.form import notes
from contacts.touchpoints.form import touchpoints
from contacts.usages.form import usages
from contacts.web_visits.form import web_visits

MOVED = {
    "contacts": contacts.c.customer_id,
    "touchpoints": touchpoints.c.customer_id,
    "usages": usages.c.customer_id,
    "adoptions": adoptions.c.customer_id,
    "web_visits": web_visits.c.customer_id,
    "consents": consents.c.customer_id,
    "notes": notes.c.customer_id,
    "attachments": attachments.c.customer_id,
    "parts": customers.c.parent_id,
    "referrals": customers.c.referred_by,
    "merged": customers.c.merged_into,
}
"""The columns by which records name customers; of those that were merged before `merged_into`."""
FEATURE = dry_run_feature(
    CUSTOMERS,
    MergeCustomer,
    MergedField,
    MOVED,
    prefix="",
    words="How many records of contacts are given to the customer that remains.",
    elsewhere="Sales and service-desk give the customer's orders, returns, opportunities, tasks and cases to the one "
    "that remains, and analytics counts what both have done for it, at every instant, as soon as they hear of the "
    "merge.",
)
