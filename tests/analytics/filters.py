"""Filters as a client writes them."""

from analytics.metrics.filtering import FilterBy


def written(filter: FilterBy) -> str:
    """Every value in double quotes, but for values that have none."""
    values = ("" if each is None else '"' + each.replace('"', '""') + '"' for each in filter.values)
    return f"{filter.dimension}:{'!' * filter.exclude}{','.join(values)}"
