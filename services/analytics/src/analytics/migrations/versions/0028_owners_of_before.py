"""owners of before"""

from kith.db.migrations import fill

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_TYPES = r"^(contacts\.customer|sales\.(opportunity|task)|service-desk\.case|analytics\.action)\."
_NAMED = (
    "(SELECT key, value FROM jsonb_each_text(state) "
    "WHERE key IN ('owner', 'assignee', 'from_assignee') AND value IS NOT NULL) named"
)


def upgrade() -> None:
    # What is folded from now on names users by their ids, whatever the event does.
    fill(
        "facts",
        f"state = state || (SELECT jsonb_object_agg(key, named_user(tenant_id, value)) FROM {_NAMED})",  # noqa: S608 - of a migration
        where=f"type ~ '{_TYPES}' AND state ?| '{{owner,assignee,from_assignee}}' AND EXISTS (SELECT FROM {_NAMED} "
        f"WHERE value <> CAST(named_user(tenant_id, value) AS text))",
    )
    fill(
        "playbooks",
        "document = jsonb_set(document, '{actions}', (SELECT jsonb_agg(CASE WHEN action ? 'owner' THEN action || "
        "jsonb_build_object('owner', named_user(tenant_id, action ->> 'owner')) ELSE action END ORDER BY number) "
        "FROM jsonb_array_elements(document -> 'actions') WITH ORDINALITY AS a(action, number)))",
        where="EXISTS (SELECT FROM jsonb_array_elements(document -> 'actions') AS a(action) "
        "WHERE action ->> 'owner' <> CAST(named_user(tenant_id, action ->> 'owner') AS text))",
    )
