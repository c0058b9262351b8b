"""The unit costs of a run, as tables."""

from collections.abc import Iterator

from rich.table import Table

from kith_local.capacity.unit_costs import Run


def tables(run: Run) -> Iterator[Table]:
    processes = sorted({name for work in run.works.values() for name in work.cpu_us})
    yield _table(
        "µs of the processor for one, by process; bytes of WAL",
        ("work", "one", *processes, "WAL"),
        [
            (name, work.unit, *(_us(work.cpu_us.get(each)) for each in processes), f"{work.wal_bytes:,.0f}")
            for name, work in run.works.items()
        ],
    )
    logs = [(f"bus: {bus}", "", f"{size:,.0f}") for bus, size in run.logs.items()]
    rows = [(name, f"{each.rows:,}", f"{each.bytes_per_row:,.0f}") for name, each in run.tables.items()]
    yield _table("bytes of a row, indexes included", ("table", "rows", "bytes"), [*rows, *logs])
    yield _table(
        "memory in MB, and thousandths of a core at rest",
        ("process", "at rest", "at most", "cores / 1000"),
        [
            (name, f"{memory.rest:,.0f}", f"{memory.load:,.0f}", f"{run.idle_millicores[name]:,.0f}")
            for name, memory in run.memory.items()
        ],
    )
    yield _table("yardsticks, µs", ("what", "µs"), [(name, f"{us:.2f}") for name, us in run.yardsticks_us.items()])


def _table(title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(title=title)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _us(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
