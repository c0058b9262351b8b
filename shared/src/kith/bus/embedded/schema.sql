-- The embedded bus: a partitioned log and its consumer groups. Infrastructure, so it has no tenants.
create schema bus;

create table bus.topics (
    id int generated always as identity primary key,
    name text not null unique,
    partitions int not null check (partitions > 0)
);

-- The row's lock is the right to append to the partition. It is held until the append commits, so offsets become
-- visible in order: a reader never passes one that commits later. The spare room keeps updates off the index.
create table bus.partitions (
    topic_id int not null references bus.topics,
    partition int not null,
    next_offset bigint not null default 0,
    primary key (topic_id, partition)
) with (fillfactor = 50);

-- A row holds what one publish appended to one partition (or a part of that): per message a row would cost ten times more.
create table bus.batches (
    topic_id int not null,
    partition int not null,
    base_offset bigint not null,
    last_offset bigint not null,
    appended_at timestamptz not null,
    messages bytea not null,
    primary key (topic_id, partition, last_offset)
);
alter table bus.batches alter column messages set storage external; -- compressing costs more than it saves here
create index batches_by_age on bus.batches using brin (appended_at);

create function bus.append(topic_ids int[], numbers int[], starts int[], counts int[], bodies bytea[]) returns void
language plpgsql as $$
begin
    -- Always in the same order, so that two publishers cannot deadlock.
    perform from bus.partitions p
    where (p.topic_id, p.partition) in (select * from unnest(topic_ids, numbers))
    order by p.topic_id, p.partition
    for update;

    insert into bus.batches (topic_id, partition, base_offset, last_offset, appended_at, messages)
    select p.topic_id, p.partition, p.next_offset + b.start, p.next_offset + b.start + b.count - 1, clock_timestamp(), b.body
    from unnest(topic_ids, numbers, starts, counts, bodies) as b (topic_id, number, start, count, body)
    join bus.partitions p on p.topic_id = b.topic_id and p.partition = b.number;

    update bus.partitions p set next_offset = p.next_offset + b.grown
    from (
        select topic_id, number, max(start + count) as grown
        from unnest(topic_ids, numbers, starts, counts) as c (topic_id, number, start, count)
        group by topic_id, number
    ) b
    where p.topic_id = b.topic_id and p.partition = b.number;
end $$;

-- The generation moves with every change of who is in the group or what has been let go: members compare it.
create table bus.groups (
    name text primary key,
    generation bigint not null default 0
);

create table bus.members (
    id uuid primary key,
    group_name text not null references bus.groups,
    joined bigint generated always as identity,
    topics text[] not null,
    session interval not null,
    seen_at timestamptz not null
);

-- Who reads a partition now. The key makes two owners impossible: the next one waits until this row is gone.
create table bus.claims (
    group_name text not null references bus.groups,
    topic_id int not null references bus.topics,
    partition int not null,
    member_id uuid not null references bus.members on delete cascade,
    primary key (group_name, topic_id, partition)
);
create index claims_by_member on bus.claims (member_id);

create table bus.commits (
    group_name text not null references bus.groups,
    topic_id int not null references bus.topics,
    partition int not null,
    next_offset bigint not null,
    committed_at timestamptz not null,
    primary key (group_name, topic_id, partition)
);
