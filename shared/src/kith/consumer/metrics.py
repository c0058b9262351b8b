"""The metrics of a subscription."""

from prometheus_client import Counter, Gauge, Histogram

HANDLED = Counter("kith_consumer_events_total", "Messages applied, watermarks included", ["group"])
BATCH = Histogram(
    "kith_consumer_batch_events", "Messages of a batch", ["group"], buckets=(1, 5, 20, 100, 500, 2000, 5000, 20000)
)
SECONDS = Histogram("kith_consumer_batch_seconds", "Time to apply a batch, its commit included", ["group"])
AGE = Gauge("kith_consumer_event_age_seconds", "From the recording of the last event applied to its effect", ["group"])
LAG = Gauge("kith_consumer_lag_messages", "Messages on the bus that this process holds but has not applied", ["group"])
LAG_SECONDS = Gauge(
    "kith_consumer_lag_seconds", "Age of the oldest message that this process holds but has not applied", ["group"]
)
HALTED = Gauge("kith_consumer_halted", "1: the consumer has stopped for good, and /readyz says why", ["group"])
REDELIVERED = Counter("kith_consumer_redeliveries_total", "Batches tried again after a transient fault", ["group"])
REPLACED = Counter("kith_consumer_replaced_total", "Batches rolled back as another consumer had moved on", ["group"])
DEAD = Counter(
    "kith_consumer_dead_letters_total", "Messages dead-lettered: `failed`, or `parked` behind one", ["group", "kind"]
)
UNRESOLVED = Gauge(
    "kith_dead_letters_unresolved",
    "Dead letters not resolved yet: `failed`, or `parked` behind one; every worker of the service reports the same",
    ["group", "kind"],
)
