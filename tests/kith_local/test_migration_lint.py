"""`make check` holds new migrations to what code of before can live with, and lets those that have landed be."""

import textwrap
from collections.abc import Callable

import pytest

from kith_local.migration_lint import (
    ALONE,
    Migration,
    all_migrations,
    complaints_about,
    doubled,
    files,
    sql_of,
    waivers_in,
)

HEAD = """\
import sqlalchemy as sa
from alembic import op
from kith.db.migrations import build_index

def upgrade():
"""


def migration(body: str, name: str = "sales/9999_new") -> Migration:
    source = HEAD + textwrap.indent(body, "    ")
    module: dict[str, Callable[[], None]] = {}
    exec(compile(source, name, "exec"), module)  # noqa: S102 - written here
    return Migration(name, sql_of(module["upgrade"]), waivers_in(source))


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("op.create_index('orders_by_x', 'orders', ['tenant_id', 'x'])", "require-concurrent-index-creation"),
        ("op.drop_index('orders_by_x')", "require-concurrent-index-deletion"),
        ("op.add_column('orders', sa.Column('x', sa.Text(), nullable=False))", "adding-required-field"),
        (
            "op.add_column('orders', sa.Column('x', sa.Uuid(), server_default=sa.text('gen_random_uuid()')))",
            "adding-field-with-default",
        ),
        ("op.alter_column('orders', 'value', type_=sa.Text())", "changing-column-type"),
        ("op.execute('ALTER TABLE orders ALTER COLUMN value TYPE text')", "changing-column-type"),
        ("op.alter_column('orders', 'country', nullable=False)", "adding-not-nullable-field"),
        ("op.create_check_constraint('x', 'orders', 'value > 0')", "constraint-missing-not-valid"),
        ("op.execute('DROP POLICY tenant ON orders')", "ban-drop-policy"),
        ("op.create_unique_constraint('x', 'orders', ['tenant_id', 'x'])", "disallowed-unique-constraint"),
        ("op.drop_column('orders', 'country')", "ban-drop-column"),
        ("op.alter_column('orders', 'country', new_column_name='land')", "renaming-column"),
        ("op.rename_table('orders', 'purchases')", "renaming-table"),
        ("op.drop_table('orders')", "ban-drop-table"),
        ("op.execute('REVOKE SELECT ON orders FROM kith_app')", "ban-revoke"),
        (
            "op.add_column('orders', sa.Column('x', sa.Text()))\nbuild_index('orders_by_x', 'orders', ['x'])",
            ALONE,
        ),
    ],
)
def test_a_migration_that_breaks_those_beside_it_is_refused_unless_it_says_why(body: str, rule: str) -> None:
    complaints = complaints_about([migration(body)], landed={})
    assert any(each.startswith(f"sales/9999_new: {rule}: ") for each in complaints), complaints
    waived = {each.split(": ")[1] for each in complaints}
    comments = "".join(f"# squawk: {each} - no code has read it since 0007\n" for each in waived)
    assert complaints_about([migration(comments + body)], landed={}) == []
    without_reason = complaints_about([migration(f"# squawk: {rule}\n{body}")], landed={})
    assert without_reason == complaints


@pytest.mark.parametrize(
    "body",
    [
        "op.add_column('orders', sa.Column('x', sa.Text()))",
        "op.add_column('orders', sa.Column('x', sa.Text(), server_default='', nullable=False))",
        "build_index('orders_by_x', 'orders', ['tenant_id', 'x'], where='x IS NOT NULL')",
        "op.create_table('t', sa.Column('id', sa.Uuid(), primary_key=True))\nop.create_index('t_by_id', 't', ['id'])",
    ],
)
def test_a_migration_that_holds_nobody_up_passes(body: str) -> None:
    assert complaints_about([migration(body)], landed={}) == []


def test_what_has_landed_is_let_be_by_file_and_rule() -> None:
    landed, new = [migration("op.drop_table('orders')", name) for name in ("sales/0001_old", "sales/0002_new")]
    (complaint,) = complaints_about([landed, new], landed={landed.name: ["ban-drop-table"]})
    assert complaint.startswith("sales/0002_new: ban-drop-table: ")
    of_another_rule = complaints_about([landed], landed={landed.name: ["ban-drop-column"]})
    assert of_another_rule[0].startswith("sales/0001_old: ban-drop-table: ")


def test_a_waiver_that_nothing_needs_is_reported() -> None:
    sound = migration("# squawk: ban-drop-table - gone\nop.add_column('orders', sa.Column('x', sa.Text()))")
    landed = {"sales/0001_gone": ["ban-revoke"]}
    assert complaints_about([sound], landed) == [
        "sales/0001_gone: ban-revoke is waived, and not violated",
        "sales/9999_new: ban-drop-table is waived, and not violated",
    ]


def test_the_migrations_of_every_service_are_looked_at() -> None:
    names = {each.name for each in all_migrations()}
    assert {"contacts/0001_the_first_tables", "sales/0001_the_first_tables"} <= names
    assert {"service_desk/0001_the_first_tables", "analytics/0001_the_first_tables"} <= names


def test_two_migrations_that_were_written_side_by_side_are_found() -> None:
    assert sorted(files()) == sorted(each.name for each in all_migrations())
    assert doubled(files()) == []
    (found,) = doubled(["sales/0020_a", "sales/0021_c", "sales/0020_b", "contacts/0020_a"])
    assert found.startswith("sales/0020_a, sales/0020_b: ")
