"""What a merge of contacts would do, before it is done."""

from contacts.attachments.form import attachments
from contacts.consents.form import consents
from contacts.contacts.form import CONTACTS, MergeContact, contacts
from contacts.contacts.rules import MergedContactField
from contacts.merging.dry_run import dry_run_feature
from contacts.notes.form import notes
from contacts.touchpoints.form import touchpoints
from contacts.usages.form import usages
from contacts.web_visits.form import web_visits

MOVED = {
    "touchpoints": touchpoints.c.contact_id,
    "usages": usages.c.contact_id,
    "web_visits": web_visits.c.contact_id,
    "consents": consents.c.contact_id,
    "notes": notes.c.contact_id,
    "attachments": attachments.c.contact_id,
    "merged": contacts.c.merged_into,
}
"""The columns by which records name contacts; of those that were merged before `merged_into`."""
FEATURE = dry_run_feature(
    CONTACTS,
    MergeContact,
    MergedContactField,
    MOVED,
    prefix="Contact",
    words="How many records of contacts name the contact that remains from then on.",
    elsewhere="Service-desk gives the contact's cases to the one that remains as soon as it hears of the merge. What "
    "happened stays with the customers that it happened with: no figure changes.",
)
