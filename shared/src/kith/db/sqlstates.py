"""The SQLSTATE of a PostgreSQL error."""


def sqlstate(error: BaseException) -> str | None:
    """Of an error of the driver's, wrapped by SQLAlchemy or not."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return state if isinstance(state, str) else None
