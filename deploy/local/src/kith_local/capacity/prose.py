"""What docs/scale.md says that follows from no figure."""

HEAD = """\
# Past one machine

What a load costs in cores, disk and connections; which limit it comes to first; and what to do at each. All figures
follow from [unit costs](../deploy/unit-costs.json) that `make bench WORK=unit_costs` measured, by the assumptions
below; the page is made from them (`make contracts`), so it cannot differ from them. It is arithmetic, but for what
[was tried](#what-was-tried). For another load or another machine, measure, and change [the
assumptions](../deploy/local/src/kith_local/capacity/load.py).

The sizes of the Helm chart ([small, medium, large](../deploy/README.md#sizes)) follow from the same.
"""

REMEDIES = """\
## What to do at each

### More workers

Workers of one service share the partitions of the topics, and the tenants that wait to be scored: run more of
analytics (`services.analytics.worker`, or KEDA on lag). Twice as many hold half as many partitions each.

### More partitions

A worker more than there are partitions has nothing to fold. There can be [more of
them](operations.md#more-partitions) while requests are served.

### Relays

One relay of each service publishes at a time, so that an aggregate's events leave in order; other workers stand by.
It grows by batches: in full ones it takes some microseconds an event. Beyond that a service would have to be split.

### A server per service

Services share no table and no transaction: give each database a server (the chart's CloudNativePG clusters are four).
Analytics has most of the work; exports can go to a [replica](operations.md#a-replica).

### Connections

Requests may go by [pgbouncer](operations.md#pgbouncer): an API then needs four connections of its own, for exports.
Workers need sessions. A smaller `KITH_POOL_SIZE` is the other way: a process of one core rarely keeps ten busy.

### The write-ahead log

Most of it is whole pages. Checkpoints further apart (`checkpoint_timeout = 30min`, `max_wal_size` of as many gigabytes
as are written meanwhile) write fewer, and `wal_compression = lz4` smaller ones; recovery after a crash takes longer.
Give PostgreSQL a quarter of the memory (`shared_buffers`).

### Past one PostgreSQL

`tenant_id` is the first column of every key, every statement names it, and no foreign key crosses tenants: tests hold
tables and statements to it. So the tables can be distributed by `tenant_id` on Citus, and queues and offsets stay on
its coordinator. It has not been tried on Citus itself. The other way is a Kith for each part of the tenants: nothing
is shared but the issuer.

### Retention

The ledger is partitioned by the month in which an event was recorded. Kith drops none: figures of the past, rebuilds
and `knownAt` read them. Old partitions can be moved to slower disks (`ALTER TABLE … SET TABLESPACE`). Outboxes are
kept for `KITH_OUTBOX_RETENTION_DAYS`, topics for the cluster's `retention.ms`.

### Kafka

Partitions are spread over the brokers of a cluster; three brokers with three replicas of each hold all the messages
each, more hold a part. Events of one by one cost the broker more than those of full batches: `linger.ms` is not set.
"""

TRIED = """\
## What was tried

`make bench WORK=growth` fills analytics' ledger and facts with 300,000 events of 3,000 customers and 100 tenants, then
with ten times as many of ten times as many customers, and measures on both what one event and one question about a
customer cost, in time of the processor. PostgreSQL has the settings that it comes with, 128 MB of buffers among them.
"""

FOUND = """\
Rows stay as large as they are, and the worker takes no more. PostgreSQL does: pages are not in its buffers any more,
and what an event touches is nearly always the first change of its page since a checkpoint, which writes the whole page
to the log. So the figures above do not take what was measured on few events as it is: what PostgreSQL takes of an
event that comes alone is multiplied by what the fold took more here. Its log is not: of events that come alone nearly
all is whole pages already. Nor are reads: where memory holds what is read they are as measured.
"""
