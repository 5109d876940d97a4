-- What a dry run reports of a history of the workload, as one would write it: each delivery once, the writes to each
-- field ranked by the ladder, and the rung that decided against each loser that its own node had not replaced.
set preserve_insertion_order = false;
set threads = 2;
with
read as (
  select * from read_json($FILE, format = 'newline_delimited', columns = {id: 'varchar', key: 'varchar', field: 'varchar',
    value: 'varchar', version: 'ubigint', time: 'bigint', node: 'varchar', op: 'varchar'})
),
writes as (select distinct on (id) * from read),
ranked as (
  select *,
    row_number() over cell as place,
    row_number() over (partition by key, field, node order by version desc, time desc) as own,
    first_value(version) over cell as kept_version,
    first_value(time) over cell as kept_time,
    first_value(value) over cell as kept_value
  from writes
  where op = 'set'
  window cell as (partition by key, field order by version desc, time desc, node desc)
),
lost as (select * from ranked where place > 1 and own = 1 and value <> kept_value),
nodes as (select key, field, node, count(*) as n from writes group by all),
cells as (select key, field, sum(n) as n, sum(n * n) as squares, count(*) as nodes from nodes group by all),
sums as (select key, field, sum(cast(value as bigint)) as total from writes where op = 'add' group by all)
select
  (select count(*) from read) - (select count(*) from writes) as duplicates,
  (select count(*) from writes) as writes,
  (select count(distinct key) from cells) as keys,
  (select count(*) from cells) as cells,
  (select cast(sum(n * n - squares) as bigint) // 2 from cells) as conflicts,
  (select cast(sum(n) as bigint) from cells where nodes > 1) as conflicting,
  (select count(*) from ranked where own > 1) as overwritten,
  (select count(*) from lost) as lost,
  (select count(*) from lost where version <> kept_version) as by_version,
  (select count(*) from lost where version = kept_version and time <> kept_time) as by_time,
  (select count(*) from lost where version = kept_version and time = kept_time) as by_node,
  (select count(*) from writes where op = 'add') as combined
