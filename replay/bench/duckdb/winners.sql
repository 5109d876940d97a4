-- The merged state, cell by cell: what -state writes.
set threads = 2;
copy (
  with writes as (
    select distinct on (id) * from read_json($FILE, format = 'newline_delimited', columns = {id: 'varchar', key: 'varchar',
      field: 'varchar', value: 'json', version: 'ubigint', time: 'bigint', node: 'varchar', op: 'varchar'})
  ),
  kept as (
    select *, row_number() over (partition by key, field order by version desc, time desc, node desc) as place
    from writes where op = 'set'
  )
  select key, field, value, id, node as by from kept where place = 1
  union all
  select key, field, cast(sum(cast(value as bigint)) as varchar)::json, '', '' from writes where op = 'add' group by key, field
  order by key, field
) to $OUT (format json);
