"""The statistics of a customer's purchases that the models need."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kith.errors import Invalid

DAY = np.dtype("datetime64[D]")
WEEK = 7


class Histories(NamedTuple):
    """One element per customer, in the order of `customer`."""

    customer: NDArray[np.generic]
    frequency: NDArray[np.int64]
    """x: days with a purchase, less the first."""
    recency: NDArray[np.float64]
    """t_x: weeks from the first day with a purchase to the last; 0 if they are one."""
    age: NDArray[np.float64]
    """T: weeks from the first day with a purchase to the last day looked at."""
    mean_value: NDArray[np.float64]
    """The mean value of such a day, the first left out; 0 where there is no other."""


def summary(customer: ArrayLike, day: ArrayLike, value: ArrayLike, until: np.datetime64) -> Histories:
    """Returns the histories of all customers who bought up to and including the day `until`; later purchases are left
    out.

    One element per purchase, in any order: `customer` any type that sorts, `day` datetime64[D] in the tenant's time
    zone, `value`. A transaction is a day with a purchase, its value the sum of that day's: the models are of shopping
    trips, and two orders an hour apart are one. So CDNOW's data are counted, and so the published fits are reproduced.
    The first is left out of the mean because the models are of repeat transactions (Fader and Hardie 2013, "The
    Gamma-Gamma Model of Monetary Value", section 3).

    Raises Invalid, naming the array, if the arrays differ in length.
    """
    customers, days, values = np.asarray(customer), np.asarray(day, DAY), np.asarray(value, np.float64)
    for name, array in (("day", days), ("value", values)):
        if array.shape != customers.shape:
            raise Invalid(f"There are {customers.size} purchases, and {array.size} of {name}.", field=name)
    seen = days <= until
    who, of_whom = np.unique(customers[seen], return_inverse=True)
    day_numbers = days[seen].astype(np.int64)

    # One number per customer and day: integers sort many times faster than pairs.
    end = int(np.asarray(until, DAY).astype(np.int64))
    first_of_all = int(day_numbers.min(initial=end))
    span = end - first_of_all + 1
    trips, trip_of = np.unique(of_whom * span + (day_numbers - first_of_all), return_inverse=True)
    trip_values = np.bincount(trip_of, values[seen], minlength=trips.size)
    trip_customers, trip_days = np.divmod(trips, span)

    count = np.bincount(trip_customers, minlength=who.size)
    last = np.cumsum(count) - 1
    first = last - count + 1
    frequency = count - 1
    repeat_value = np.bincount(trip_customers, trip_values, minlength=who.size) - trip_values[first]
    return Histories(
        who,
        frequency,
        (trip_days[last] - trip_days[first]) / WEEK,
        (span - 1 - trip_days[first]) / WEEK,
        np.divide(repeat_value, frequency, out=np.zeros(who.size), where=frequency > 0),
    )


def observations(**columns: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    """Returns the columns as arrays of floats. Raises Invalid, naming the column, unless they are finite and equally
    long."""
    arrays = {name: np.asarray(column, np.float64) for name, column in columns.items()}
    customers = next(iter(arrays.values())).size
    for name, array in arrays.items():
        if array.ndim != 1 or array.size != customers:
            raise Invalid(f"One number for each of {customers} customers is wanted.", field=name)
        if not np.isfinite(array).all():
            raise Invalid("Only finite numbers are allowed.", field=name)
    return tuple(arrays.values())


def purchases(
    frequency: ArrayLike, recency: ArrayLike, age: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Returns frequency, recency and age, checked. Raises Invalid, naming the array, for impossible values."""
    x, t_x, T = observations(frequency=frequency, recency=recency, age=age)  # noqa: N806 - the papers' letters
    if (x < 0).any() or (x != np.floor(x)).any():
        raise Invalid("Only whole numbers from 0 are allowed: days with a purchase, less the first.", field="frequency")
    if (t_x < 0).any() or (t_x[x == 0] != 0).any():
        raise Invalid("Only weeks from 0 are allowed, and 0 for those who bought once.", field="recency")
    if (t_x > T).any():
        raise Invalid("No customer can be younger than its last purchase: at least its recency is wanted.", field="age")
    return x, t_x, T
