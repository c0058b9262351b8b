"""In migrations: tables whose records named a user by a text, and name it by its id now."""

NAMED_USER = """
    CREATE FUNCTION named_user(tenant text, named text) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT CASE WHEN named ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN named::uuid
            ELSE md5(tenant || ':' || named)::uuid END
    $$
"""
"""Creates `named_user(tenant, named)`, which returns what kith.events.named_users.named_user does."""


def following(table: str, former: str, now: str, *, first: str = "") -> tuple[str, str]:
    """Returns the statements for a table whose column of texts `former` became the column of ids `now`. While code of
    before writes the one, the other follows. `first` is done with each row that gets its id from a text."""
    name = f"{table}_by_named_user"
    return (
        f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.{former} IS NOT NULL AND NEW.{now} IS NULL AND (TG_OP = 'INSERT' OR OLD.{now} IS NULL)
                OR TG_OP = 'UPDATE' AND NEW.{former} IS DISTINCT FROM OLD.{former} THEN
                NEW.{now} := named_user(NEW.tenant_id, NEW.{former});
                {first}
            ELSIF NEW.{now} IS DISTINCT FROM named_user(NEW.tenant_id, NEW.{former}) THEN
                NEW.{former} := NEW.{now}::text;
            END IF;
            RETURN NEW;
        END $$
        """,
        f"""
        CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table}
        FOR EACH ROW WHEN (NEW.{former} IS NOT NULL OR NEW.{now} IS NOT NULL) EXECUTE FUNCTION {name}()
        """,
    )
