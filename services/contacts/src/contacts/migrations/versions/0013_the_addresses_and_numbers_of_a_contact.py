"""the addresses and numbers of a contact"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TEXTS = ("country", "salutation", "title", "language", "time_zone")
_LISTS = ("emails", "phones", "addresses", "roles", "preferred_times")


def upgrade() -> None:
    for name in _TEXTS:
        op.add_column("contacts", sa.Column(name, sa.TEXT(), nullable=True))
    op.add_column("contacts", sa.Column("preferred_channel", sa.String(64), nullable=True))
    for name in _LISTS:
        op.add_column("contacts", sa.Column(name, JSONB(), server_default=sa.text("'[]'"), nullable=False))
    # Code of before writes one address, one number and one role, and knows no lists: they follow what it writes. What
    # it erases, it does not know to erase from the lists.
    op.execute("""
        CREATE FUNCTION contacts_of_former_code() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            email text := jsonb_path_query_first(NEW.emails, '$[*] ? (@.primary == true).address') #>> '{}';
            phone jsonb := jsonb_path_query_first(NEW.phones, '$[*] ? (@.primary == true)');
            own jsonb := jsonb_path_query_first(NEW.roles, '$[*] ? (@.primary == true)');
        BEGIN
            IF NEW.erased_at IS NOT NULL THEN
                NEW.emails := '[]';
                NEW.phones := '[]';
                NEW.addresses := '[]';
                NEW.preferred_times := '[]';
                NEW.preferred_channel := NULL;
                NEW.salutation := NULL;
                NEW.title := NULL;
                NEW.country := NULL;
                NEW.language := NULL;
                NEW.time_zone := NULL;
            ELSE
                IF NEW.email IS DISTINCT FROM email THEN
                    NEW.emails := CASE WHEN NEW.email IS NULL THEN '[]'
                        ELSE jsonb_build_array(jsonb_build_object('address', NEW.email, 'primary', true)) END;
                END IF;
                IF NEW.phone IS DISTINCT FROM coalesce(phone ->> 'written', phone ->> 'number') THEN
                    NEW.phones := CASE WHEN NEW.phone IS NULL THEN '[]'
                        WHEN NEW.phone LIKE '+%' THEN jsonb_build_array(jsonb_build_object(
                            'number', '+' || regexp_replace(NEW.phone, '[^0-9]', '', 'g'),
                            'written', NEW.phone, 'primary', true))
                        ELSE jsonb_build_array(jsonb_build_object('number', NEW.phone, 'primary', true)) END;
                END IF;
            END IF;
            IF own IS NULL OR NEW.role IS DISTINCT FROM own ->> 'role' THEN
                NEW.roles := jsonb_build_array(jsonb_build_object(
                    'customer_id', NEW.customer_id, 'role', NEW.role, 'primary', true));
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER contacts_of_former_code BEFORE INSERT OR UPDATE ON contacts
        FOR EACH ROW EXECUTE FUNCTION contacts_of_former_code()
    """)
