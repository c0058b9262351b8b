"""The metrics of a subscription."""

from prometheus_client import Counter, Gauge, Histogram

HANDLED = Counter("kith_consumer_events_total", "Messages that took effect, events and watermarks", ["group"])
BATCH = Histogram(
    "kith_consumer_batch_events", "Messages per batch", ["group"], buckets=(1, 5, 20, 100, 500, 2000, 5000, 20000)
)
SECONDS = Histogram("kith_consumer_batch_seconds", "Time to apply a batch, its commit included", ["group"])
AGE = Gauge("kith_consumer_event_age_seconds", "From the recording of the last event applied to its effect", ["group"])
LAG = Gauge("kith_consumer_lag_messages", "Messages on the bus that this process holds but has not applied", ["group"])
REDELIVERED = Counter("kith_consumer_redeliveries_total", "Batches delivered again after a transient fault", ["group"])
REPLACED = Counter("kith_consumer_replaced_total", "Batches rolled back: another consumer had moved on", ["group"])
DEAD = Counter("kith_consumer_dead_letters_total", "Messages dead-lettered", ["group", "kind"])
UNRESOLVED = Gauge("kith_dead_letters_unresolved", "Dead letters that somebody has to look at", ["group", "kind"])
