"""owners are users"""

import sqlalchemy as sa
from alembic import op

from kith.db.named_users import NAMED_USER, following

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("owner_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        None, "customers", "users", ["tenant_id", "owner_id"], ["tenant_id", "id"], postgresql_not_valid=True
    )
    op.execute(NAMED_USER)
    # Whom records named by a text is a user, whom nobody has invited yet: it is linked to no subject.
    op.execute("""
        CREATE FUNCTION user_of_before(tenant text, named text) RETURNS uuid LANGUAGE plpgsql AS $$
        DECLARE
            its uuid := named_user(tenant, named);
            at_present timestamptz := clock_timestamp();
        BEGIN
            IF its IS NULL OR EXISTS (SELECT FROM users u WHERE u.tenant_id = tenant AND u.id = its) THEN
                RETURN its;
            END IF;
            INSERT INTO users (tenant_id, id, external_id, version, created_at, updated_at, name, state, role_ids)
            SELECT tenant, its, CASE WHEN t.is_taken THEN NULL ELSE named END, 1, at_present, at_present, named,
                'invited', '{}'
            FROM (SELECT EXISTS (
                SELECT FROM users u WHERE u.tenant_id = tenant AND u.external_id = named
            ) AS is_taken) t
            ON CONFLICT DO NOTHING;
            IF FOUND THEN
                INSERT INTO outbox
                    (id, tenant_id, type, subject, aggregate_version, time, recorded_at, actor, data)
                VALUES (gen_random_uuid(), tenant, 'contacts.user.invited.v1', its, 1, at_present, at_present,
                    'service:contacts', convert_to('{"state"' || chr(58) || '"invited"}', 'UTF8'));
            END IF;
            RETURN its;
        END $$
    """)
    for statement in following(
        "customers", "owner", "owner_id", first="PERFORM user_of_before(NEW.tenant_id, NEW.owner);"
    ):
        op.execute(statement)
