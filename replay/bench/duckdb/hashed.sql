-- The same answers in the fastest way that was found: texts hashed to 64 bits once, deliveries told apart by the hash of
-- their id, the claim of a write packed into one number, and two aggregations in the place of the windows.
set preserve_insertion_order = false;
set threads = 2;
create temp table read as
select hash(id) as id, hash(key) as key, hash(key, field) as cell, hash(value) as value, op = 'add' as adds,
  case node when 'ap-south' then 0 when 'eu-west' then 1 else 2 end::utinyint as node,
  (version::uhugeint << 66) | (time::uhugeint << 2) | (case node when 'ap-south' then 0 when 'eu-west' then 1 else 2 end)::uhugeint as stamp,
  case when op = 'add' then cast(value as bigint) end as amount
from read_json($FILE, format = 'newline_delimited', columns = {id: 'varchar', key: 'varchar', field: 'varchar',
  value: 'varchar', version: 'ubigint', time: 'bigint', node: 'varchar', op: 'varchar'});
create temp table writes as
select any_value(key) as key, any_value(cell) as cell, any_value(value) as value, any_value(adds) as adds,
  any_value(node) as node, any_value(stamp) as stamp, any_value(amount) as amount
from read group by id;
create temp table nodes as
select cell, node, any_value(key) as key, any_value(adds) as adds, count(*) as n, max(stamp) as stamp,
  arg_max(value, stamp) as value, sum(amount) as total
from writes group by cell, node;
create temp table cells as
select cell, any_value(key) as key, any_value(adds) as adds, sum(n) as n, sum(n * n) as squares, count(*) as nodes,
  max(stamp) as stamp, arg_max(value, stamp) as value, sum(total) as total
from nodes group by cell;
create temp table lost as
select nodes.stamp >> 66 as version, cells.stamp >> 66 as kept_version, nodes.stamp >> 2 as claim, cells.stamp >> 2 as kept_claim
from nodes join cells using (cell)
where not nodes.adds and nodes.stamp <> cells.stamp and nodes.value <> cells.value;
select
  (select count(*) from read) - (select count(*) from writes) as duplicates,
  (select count(*) from writes) as writes,
  (select count(distinct key) from cells) as keys,
  (select count(*) from cells) as cells,
  (select cast(sum(n * n - squares) as bigint) // 2 from cells) as conflicts,
  (select cast(sum(n) as bigint) from cells where nodes > 1) as conflicting,
  (select cast(sum(n - 1) as bigint) from nodes where not adds) as overwritten,
  (select count(*) from lost) as lost,
  (select count(*) from lost where version <> kept_version) as by_version,
  (select count(*) from lost where version = kept_version and claim <> kept_claim) as by_time,
  (select count(*) from lost where claim = kept_claim) as by_node,
  (select count(*) from writes where adds) as combined
