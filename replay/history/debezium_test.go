package history

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// postgres is a change of a row, with more members in front of its source.
func postgres(op, before, after, more string) string {
	return fmt.Sprintf(`{"before": %s, "after": %s, "source": {%s"connector": "postgresql", "name": "shop", "ts_us": 1767260000123456, "schema": "public", `+
		`"table": "orders", "txId": 5, "lsn": 100}, "op": %q, "ts_ms": 1767260009999}`, before, after, more, op)
}

func messageOf(key, value string) string { return fmt.Sprintf(`{"key": %s, "value": %s}`, key, value) }

// oneRecord reads an export that holds one record and nothing else.
func oneRecord(t *testing.T, text string, opt Options) Record {
	t.Helper()
	got := importText("export", text, opt)
	require.NoError(t, got.err, text)
	require.Empty(t, got.aside, text)
	require.Len(t, got.records, 1, text)
	checkTold(t, got)
	return got.records[0]
}

func TestOneChangeIsTheSameInEachShapeThatToolsGiveIt(t *testing.T) {
	change := postgres("c", "null", `{"id": 7, "n": 1}`, "")
	asText := func(s string) string { return string(value.Text(s)) }
	want := oneRecord(t, messageOf(`{"id": 7}`, change), Options{})
	assert.Equal(t, "orders/7", want.Key)
	for _, text := range []string{
		`{"key": {"schema": null, "payload": {"id": 7}}, "payload": ` + change + `}`,
		`{"key": {"schema": {"type": "struct"}, "payload": {"id": 7}}, "value": {"schema": {"type": "struct"}, "payload": ` + change + `}}`,
		`{"topic": "t", "partition": 1, "offset": 2, "tstype": "create", "ts": 3, "broker": 1, "headers": ["a", "b"], "key": "{\"id\":7}", "payload": ` + asText(change) + `}`,
		`{"topic": "t", "key": "{\"payload\":{\"id\":7}}", "value": ` + asText(`{"schema": {}, "payload": `+change+`}`) + `, "timestamp": 1, "partition": 0, "offset": 0}`,
		`{"value": ` + asText(change) + `, "key": {"id": 7}}`,
		`[` + messageOf(`{"id": 7}`, change) + `]`,
	} {
		got := oneRecord(t, text, Options{})
		got.Place = want.Place
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{change, `{"payload": ` + change + `}`, `{"schema": {}, "payload": ` + change + `}`, messageOf("null", change),
		messageOf(`"id=7"`, change), messageOf(`7`, change), messageOf(`{"other": 1}`, change)} {
		got := oneRecord(t, text, Options{PrimaryKeys: map[string][]string{"orders": {"id"}}})
		got.Place = want.Place
		assert.Equal(t, want, got, text)
	}
}

func TestAKeyOfSeveralColumnsHasTheOrderOfTheMessageKeyOrOfTheFlag(t *testing.T) {
	lines := postgres("c", "null", `{"a": 1, "b": "x", "c": null}`, "")
	assert.Equal(t, `orders/["x",1]`, oneRecord(t, messageOf(`{"b": "x", "a": 1}`, lines), Options{}).Key)
	assert.Equal(t, `orders/[1,"x"]`, oneRecord(t, messageOf(`{"a": 1, "b": "x"}`, lines), Options{}).Key)
	assert.Equal(t, `orders/[1,"x"]`, oneRecord(t, lines, Options{PrimaryKeys: map[string][]string{"orders": {"a", "b"}}}).Key)
	for _, columns := range [][]string{{"a", "d"}, {"a", "c"}} { // one that is not there, and one that is null
		got := importText("export", lines, Options{PrimaryKeys: map[string][]string{"orders": columns}})
		require.Len(t, got.aside, 1)
		assert.Equal(t, finding.MissingField, got.aside[0].Code)
	}
	deleted := postgres("d", `{"a": 1, "b": "x", "c": null}`, "null", "")
	assert.Equal(t, `orders/[1,"x"]`, oneRecord(t, deleted, Options{PrimaryKeys: map[string][]string{"orders": {"a", "b"}}}).Key)
}

// Under the default replica identity the row before is null, or has nothing but its key: a counter that counted from those nulls
// would count what nobody added.
func TestARowBeforeIsBelievedOnlyWhereItIsMoreThanAKey(t *testing.T) {
	for before, whole := range map[string]bool{
		`null`: false, `{"id": 7, "n": null, "s": null}`: false, `{"id": 7}`: false, `{}`: false,
		`{"id": 8, "n": 1, "s": "x"}`: false, `{"n": 1, "s": "x"}`: false, `{"id": null, "n": 1, "s": "x"}`: false,
		`{"id": 7, "n": 1, "s": "__debezium_unavailable_value"}`: false,
		`{"id": 7, "n": 0, "s": null}`:                           true, `{"id": 7, "n": null, "s": "x"}`: true,
	} {
		rec := oneRecord(t, messageOf(`{"id": 7}`, postgres("u", before, `{"id": 7, "n": 5, "s": "x"}`, "")), Options{})
		require.Equal(t, Write, rec.Kind)
		require.Len(t, rec.Fields, 3)
		for _, f := range rec.Fields {
			assert.Equal(t, !whole, f.Before.IsAbsent(), "%s: %s", before, f.Name)
		}
	}
}

func TestAValueThatTheMessageLacksIsNoFieldOfTheWrite(t *testing.T) {
	var bytes []string
	for _, b := range []byte(unavailable) {
		bytes = append(bytes, fmt.Sprint(b))
	}
	quoted := func(s string) string { return string(value.Text(s)) }
	for _, v := range []string{
		quoted(unavailable), quoted(unavailableBase64), quoted(unavailableHex), quoted(unavailableMap), unavailableMap,
		"[" + quoted(unavailable) + "]", "[" + quoted(unavailableBase64) + "]", "[" + quoted(unavailableUUID) + "]",
		"[" + strings.Join(bytes, ",") + "]", `{"wkb": ` + quoted(unavailableGeom) + `, "srid": 4326}`, `{"srid": 4326, "wkb": ` + quoted(unavailableGeog) + `}`,
		`"\u005f_debezium_unavailable_value"`,
	} {
		rec := oneRecord(t, messageOf(`{"id": 7}`, postgres("u", "null", `{"id": 7, "doc": `+v+`}`, "")), Options{})
		assert.Equal(t, []Field{{Name: "id", Value: "7"}}, rec.Fields, v)

		// With the row before it is a column that the write left alone.
		rec = oneRecord(t, messageOf(`{"id": 7}`, postgres("u", `{"id": 7, "doc": "x"}`, `{"id": 7, "doc": `+v+`}`, "")), Options{})
		assert.Equal(t, []Field{{Name: "doc", Value: `"x"`, Before: `"x"`}, {Name: "id", Value: "7", Before: "7"}}, rec.Fields, v)
	}
	assert.Equal(t, base64.StdEncoding.EncodeToString([]byte(unavailable)), unavailableBase64)
	assert.Equal(t, fmt.Sprintf("%x", unavailable), unavailableHex)
	for _, v := range []string{`"` + unavailable + `s"`, `["` + unavailable + `", "x"]`, `{"wkb": "AQ=="}`, "[" + strings.Join(bytes[1:], ",") + ",1]",
		"[" + strings.Join(append([]string{"1"}, bytes[1:]...), ",") + "]", `[[]]`, `"_________________________________________"`} {
		rec := oneRecord(t, messageOf(`{"id": 7}`, postgres("u", "null", `{"id": 7, "doc": `+v+`}`, "")), Options{})
		assert.Len(t, rec.Fields, 2, v)
	}
}

func TestADecimalHasEveryDigitWhereItsSchemaSaysThatItIsOne(t *testing.T) {
	read := func(scale, v string) told {
		schema := `{"fields": [{"field": "before", "fields": []}, {"field": "after", "fields": [{"field": "d", "type": "bytes",
			"name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "` + scale + `"}}]}]}`
		return importText("export", messageOf(`{"id": 7}`, `{"schema": `+schema+`, "payload": `+postgres("c", "null", `{"d": `+v+`}`, "")+`}`), Options{})
	}
	packed := func(n string) string {
		i, ok := new(big.Int).SetString(n, 10)
		require.True(t, ok)
		bytes := make([]byte, i.BitLen()/8+1)
		if i.Sign() < 0 {
			i.Add(i, new(big.Int).Lsh(big.NewInt(1), uint(8*len(bytes))))
		}
		return `"` + base64.StdEncoding.EncodeToString(i.FillBytes(bytes)) + `"`
	}
	for _, c := range []struct{ scale, digits, want string }{
		{"0", "0", "0"}, {"2", "0", "0.00"}, {"2", "5", "0.05"}, {"2", "-5", "-0.05"}, {"2", "-128", "-1.28"}, {"2", "127", "1.27"}, {"2", "128", "1.28"},
		{"2", "-129", "-1.29"}, {"0", "-1", "-1"}, {"3", "123456789012345678901234567890", "123456789012345678901234567.890"}, {"-2", "7", "700"}, {"-2", "0", "0"},
		{"1", "10", "1.0"}, {"2", "-32768", "-327.68"}, {"20", "1", "0.00000000000000000001"}, {"4096", "1", "0." + strings.Repeat("0", 4095) + "1"},
	} {
		got := read(c.scale, packed(c.digits))
		require.Len(t, got.records, 1, "%v: %v", c, got)
		assert.EqualValues(t, c.want, got.records[0].Fields[0].Value)
		assert.True(t, value.Value(c.want) == got.records[0].Fields[0].Value && value.Value(c.want).Kind() == value.KindNumber)
	}
	for v, want := range map[string]value.Value{`null`: value.Null, `12.50`: "12.50", `[1]`: "[1]"} {
		got := read("2", v)
		require.Len(t, got.records, 1, v)
		assert.Equal(t, want, got.records[0].Fields[0].Value)
	}
	assert.EqualValues(t, `"BQ=="`, read("two", `"BQ=="`).records[0].Fields[0].Value, "a schema that does not say the scale")
	long := `"` + base64.StdEncoding.EncodeToString(make([]byte, decimalBytes+1)) + `"`
	for _, c := range []struct {
		scale, v string
		want     finding.Code
	}{{"2", `"BQ"`, finding.BadField}, {"2", `""`, finding.BadField}, {"4097", `"BQ=="`, finding.BadNumber}, {"-4097", `"BQ=="`, finding.BadNumber}, {"2", long, finding.BadNumber}} {
		got := read(c.scale, c.v)
		require.Len(t, got.aside, 1, c.v)
		assert.Equal(t, c.want, got.aside[0].Code)
		assert.Less(t, len(got.aside[0].Detail), 200)
	}
	// A key has a schema of its own, and a scale may stand with its value.
	text := `{"key": {"schema": {"fields": [{"field": "id", "name": "io.debezium.data.VariableScaleDecimal"}]}, "payload": {"id": {"scale": 1, "value": "BQ=="}}}, "value": ` +
		postgres("c", "null", `{"id": {"scale": 1, "value": "BQ=="}}`, "") + `}`
	rec := oneRecord(t, text, Options{})
	assert.Equal(t, "orders/0.5", rec.Key)
	assert.EqualValues(t, `{"scale":1,"value":"BQ=="}`, rec.Fields[0].Value, "without a schema it is what is written")
}

// What a schema says is remembered by its text: two tables in one file do not share it.
func TestSchemasOfTwoTablesStayApart(t *testing.T) {
	line := func(scale int) string {
		schema := fmt.Sprintf(`{"fields": [{"field": "after", "fields": [{"field": "d", "name": "org.apache.kafka.connect.data.Decimal", "parameters": {"scale": "%d"}}]}]}`, scale)
		return messageOf(`{"id": 7}`, `{"schema": `+schema+`, "payload": `+postgres("c", "null", `{"d": "e3s="}`, "")+`}`)
	}
	var lines []string
	for i := range 3 * keptSchemas {
		lines = append(lines, line(i%(keptSchemas+3)))
	}
	got := importText("export", strings.Join(lines, "\n"), Options{})
	require.Len(t, got.records, len(lines))
	for i, rec := range got.records {
		digits := string(rec.Fields[0].Value)
		_, fraction, _ := strings.Cut(digits, ".")
		assert.Len(t, fraction, i%(keptSchemas+3), digits)
	}
}

func TestPositionsNameAWriteWhereTheyTellItFromAllOthers(t *testing.T) {
	read := func(source string) Record {
		return oneRecord(t, messageOf(`{"id": 7}`, `{"before": null, "after": {"id": 7}, "op": "c", "source": {"ts_ms": 1767260000000, "table": "t", `+source+`}}`), Options{})
	}
	named := []string{
		`"connector": "postgresql", "name": "a", "txId": 5, "lsn": 100`,
		`"connector": "postgresql", "name": "b", "txId": 5, "lsn": 100`, // another region
		`"connector": "postgresql", "name": "a", "txId": 6, "lsn": 100`,
		`"connector": "postgresql", "name": "a", "txId": 5, "lsn": 101`,
		`"connector": "mysql", "name": "a", "server_id": 1, "file": "bin.1", "pos": 100, "row": 0`,
		`"connector": "mysql", "name": "a", "server_id": 2, "file": "bin.1", "pos": 100, "row": 0`,
		`"connector": "mysql", "name": "a", "server_id": 1, "file": "bin.2", "pos": 100, "row": 0`,
		`"connector": "mysql", "name": "a", "server_id": 1, "file": "bin.1", "pos": 101, "row": 0`,
		`"connector": "mysql", "name": "a", "server_id": 1, "file": "bin.1", "pos": 100, "row": 1`,
		`"connector": "sqlserver", "name": "a", "commit_lsn": "1:2:3", "change_lsn": "1:2:2", "event_serial_no": 1`,
		`"connector": "sqlserver", "name": "a", "commit_lsn": "1:2:3", "change_lsn": "1:2:2", "event_serial_no": 2`,
		`"connector": "oracle", "name": "a", "scn": "9", "redo_thread": 1, "rs_id": "0x1.2.3", "ssn": 0`,
		`"connector": "oracle", "name": "a", "scn": "9", "redo_thread": 2, "rs_id": "0x1.2.3", "ssn": 0`,
		`"connector": "oracle", "name": "a", "scn": "9", "lcr_position": "0001"`,
		`"connector": "db2", "name": "a", "commit_lsn": "1:2:3", "change_lsn": "1:2:2"`,
		`"connector": "db2", "name": "a", "commit_lsn": "1:2:3", "change_lsn": "1:2:3"`,
		`"connector": "db2", "name": "a", "commit_lsn": "1:2:4", "change_lsn": "1:2:3"`,
	}
	ids := make(map[string]string)
	for _, source := range named {
		id := read(source).ID
		require.NotEmpty(t, id, source)
		require.Empty(t, ids[id], "%s has the id of %s", source, ids[id])
		ids[id] = source
		assert.Equal(t, id, read(source).ID)
	}
	for _, source := range []string{
		`"connector": "postgresql", "name": "a", "txId": 5, "lsn": null`, `"connector": "postgresql", "name": "a", "lsn": 1`, `"connector": "postgresql", "txId": 5, "lsn": 1`,
		`"connector": "mysql", "name": "a", "server_id": 1, "file": "", "pos": 100, "row": 0`, `"connector": "mariadb", "name": "a", "gtid": "0-1-5"`,
		`"connector": "sqlserver", "name": "a", "commit_lsn": "1:2:3", "change_lsn": "1:2:2", "event_serial_no": null`,
		`"connector": "oracle", "name": "a", "scn": "9", "txId": "1", "rs_id": null, "ssn": 0`,
		`"connector": "db2", "name": "a", "commit_lsn": "1:2:3", "change_lsn": null`,
	} {
		assert.Empty(t, read(source).ID, source)
	}
}

// Of writes of one second, or of one transaction, the position tells which came first.
func TestWritesOfOneTimeAreInTheOrderOfTheLog(t *testing.T) {
	for connector, positions := range map[string][]string{
		"postgresql": {`"lsn": 99`, `"lsn": "100"`, `"lsn": 24023128`},
		"mysql":      {`"pos": 4`, `"pos": 1154`, `"pos": 4294967295`},
		"oracle":     {`"scn": "3487219946115"`, `"scn": "3487219946116"`},
		"sqlserver": {`"change_lsn": "00000027:00000ac0:0002", "event_serial_no": 1`, `"change_lsn": "00000027:00000ac0:0002", "event_serial_no": 2`,
			`"change_lsn": "00000027:00000ac0:0011", "event_serial_no": 1`, `"change_lsn": "00000027:00000ac8:0001", "event_serial_no": 1`},
		"db2": {`"change_lsn": "00000000:00000001:00000000044613ff"`, `"change_lsn": "00000000:00000001:000000000446140f"`,
			`"change_lsn": "00000000:00000001:00000000F446140f"`},
	} {
		var last Record
		for i, position := range positions {
			rec := oneRecord(t, messageOf(`{"id": 7}`, `{"after": {"id": 7}, "op": "c", "source": {"ts_ms": 1767260000000, "table": "t", "connector": "`+connector+`", `+position+`}}`), Options{})
			assert.True(t, i == 0 || last.Time.Before(rec.Time), "%s %s", connector, position)
			last = rec
		}
	}
	for position, want := range map[string]uint32{"00000000:00000001:00000123f446140f": 0xf446140f, "1:2:3": 0x123} {
		rec := oneRecord(t, messageOf(`{"id": 7}`, `{"after": {"id": 7}, "op": "c", "source": {"ts_ms": 1767260000000, "table": "t", "connector": "db2", "change_lsn": "`+position+`"}}`), Options{})
		assert.Equal(t, want, rec.Time.Logical, position)
	}
	for connector, positions := range map[string][]string{ // nothing is made of what is no position
		"sqlserver": {"1:2", "x:y:z", ":1:2", "1:-2:3", "1:2:10000", "-1", "1.5"},
		"db2":       {"x:y:z", "1:-2:3", "-1", "1.5", ":", "1:2:g", "g:1:12345678"},
	} {
		for _, position := range positions {
			rec := oneRecord(t, messageOf(`{"id": 7}`, `{"after": {"id": 7}, "op": "c", "source": {"ts_ms": 1767260000000, "table": "t", "connector": "`+connector+`", "change_lsn": "`+position+`"}}`), Options{})
			assert.Zero(t, rec.Time.Logical, "%s %s", connector, position)
		}
	}
}

func TestTimesHaveThePrecisionOfTheDatabase(t *testing.T) {
	for _, c := range []struct {
		connector, times string
		want             Precision
	}{
		{"postgresql", `"ts_ms": 1767260000123, "ts_us": 1767260000123456, "ts_ns": 1767260000123456000`, Microsecond},
		{"postgresql", `"ts_ms": 1767260000000`, Millisecond},
		{"postgresql", `"ts_ns": 1767260000000000000`, Microsecond},
		{"mysql", `"ts_ms": 1767260000000`, Second},
		{"mysql", `"ts_ms": 1767260000000, "ts_us": 1767260000000000, "ts_ns": 1767260000000000000`, Second},
		{"mysql", `"ts_ms": 1767260000123`, Millisecond},
		{"mariadb", `"ts_us": 1767260000123456`, Microsecond},
		{"oracle", `"ts_ms": "1767260000000"`, Second},
		{"sqlserver", `"ts_ns": 1767260000123000000`, Millisecond},
		{"sqlserver", `"ts_ns": 1767260000000000000`, Millisecond},
		{"db2", `"ts_ns": 1767260000000000000`, Microsecond},
		{"db2", `"ts_ns": null, "ts_us": null`, NoTime},
	} {
		rec := oneRecord(t, messageOf(`{"id": 7}`, `{"after": {"id": 7}, "op": "c", "ts_ms": 1767260009999, "ts_ns": 1767260009999000000, "source": {"table": "t", "connector": "`+
			c.connector+`", `+c.times+`}}`), Options{})
		assert.Equal(t, c.want, rec.Precision, "%s %s", c.connector, c.times)
		assert.NotEqual(t, int64(1767260009999000000), rec.Time.Wall, "the time of the connector")
	}
}

func TestTablesOfTwoSchemasAreTwo(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{`"connector": "postgresql", "db": "shop", "schema": "public", "table": "orders"`, "orders/7"},
		{`"connector": "postgresql", "db": "shop", "schema": "billing", "table": "orders"`, "billing.orders/7"},
		{`"connector": "postgresql", "db": "shop", "schema": "public", "table": "billing.orders"`, `"billing.orders"/7`},
		{`"connector": "postgresql", "db": "shop", "schema": "a.b", "table": "c"`, `"a.b".c/7`},
		{`"connector": "postgresql", "db": "shop", "schema": "a", "table": "b.c"`, `a."b.c"/7`},
		{`"connector": "postgresql", "db": "shop", "schema": "a", "table": "b\"/c"`, `a."b""%2Fc"/7`},
		{`"connector": "sqlserver", "db": "shop", "schema": "dbo", "table": "orders"`, "orders/7"},
		{`"connector": "sqlserver", "db": "shop", "schema": "public", "table": "orders"`, "public.orders/7"},
		{`"connector": "mysql", "db": "shop", "table": "orders"`, "shop.orders/7"},
		{`"connector": "mariadb", "db": "billing", "table": "orders"`, "billing.orders/7"},
		{`"connector": "oracle", "db": "P", "schema": "S", "table": "T"`, "S.T/7"},
		{`"connector": "postgresql", "table": "orders"`, "orders/7"},
	} {
		rec := oneRecord(t, messageOf(`{"id": 7}`, `{"after": {"id": 7}, "op": "c", "source": {`+c.source+`}}`), Options{})
		assert.Equal(t, c.want, rec.Key)
	}
}

func TestAMemberOfTheSourceMayTellWhereAWriteBegan(t *testing.T) {
	read := func(region, origin, text string, regions ...string) told {
		source := Reader(region, strings.NewReader(text))
		source.Region = region
		return importAll(Options{Origin: origin, Regions: regions}, source)
	}
	mysql := func(server int, op, before, after string) string {
		return messageOf(`{"id": 7}`, fmt.Sprintf(`{"before": %s, "after": %s, "op": %q, "source": {"connector": "mysql", "db": "d", "table": "t", "server_id": %d, "ts_ms": 1767260000000}}`, before, after, op, server))
	}
	home := read("1", "source.server_id", mysql(1, "c", "null", `{"id": 7}`), "1", "2")
	require.Len(t, home.records, 1)
	assert.EqualValues(t, "1", home.records[0].Node)
	arrived := read("2", "source.server_id", mysql(1, "d", `{"id": 7}`, "null"), "1", "2") // a delete has a source too
	require.Len(t, arrived.records, 1)
	assert.Equal(t, Arrival, arrived.records[0].Kind)
	assert.False(t, arrived.records[0].Time.IsZero(), "the time is when it was written, which tells which write it is")
	assert.Equal(t, NoTime, arrived.records[0].Precision, "and does not say when it arrived")

	// PostgreSQL says nothing of a write that began in it, and who sent it of one that arrived.
	local := postgres("c", "null", `{"id": 7}`, `"origin": null, `)
	remote := postgres("c", "null", `{"id": 7}`, `"origin": "us", `)
	old := postgres("c", "null", `{"id": 7}`, "") // of a connector that does not tell
	for _, c := range []struct {
		text, want string
	}{{local, "eu"}, {remote, "us"}, {old, ""}} {
		got := read("eu", "source.origin", messageOf(`{"id": 7}`, c.text), "eu", "ap")
		require.Len(t, got.records, 1)
		assert.EqualValues(t, c.want, got.records[0].Node)
		assert.Equal(t, c.want == "eu", got.records[0].Region == "eu", "nothing follows from where a write stands that is not at home")
	}
	column := read("eu", "o", messageOf(`{"id": 7}`, postgres("c", "null", `{"id": 7, "o": "ap"}`, "")), "eu")
	require.Len(t, column.records, 1)
	assert.EqualValues(t, "ap", column.records[0].Node)
	bad := read("eu", "source.origin", messageOf(`{"id": 7}`, postgres("c", "null", `{"id": 7}`, `"origin": "a b", `)), "eu")
	require.Len(t, bad.aside, 1)
	assert.Equal(t, finding.UnknownNode, bad.aside[0].Code)
}

// A consumer that prints values alone prints the word null for the message after a delete.
func TestAMessageWithoutAValueSaysADeleteAgain(t *testing.T) {
	change := postgres("d", `{"id": 7}`, "null", "")
	opt := Options{PrimaryKeys: map[string][]string{"orders": {"id"}}}
	for size := 150; size < 450; size += 7 { // wherever a chunk ends
		opt.chunk = size
		for _, text := range []string{"null\n" + change + "\nnull\n" + change + "\nnull", "[null, " + change + ", null,\n" + change + ",null]"} {
			opt.Format = Debezium
			got := importText("export", text, opt)
			require.NoError(t, got.err)
			require.Empty(t, got.aside, "chunks of %d: %s", size, text)
			require.Len(t, got.records, 2)
			require.EqualValues(t, 3, got.counts[finding.DuplicateOp])
		}
	}
	got := importText("export", change+"\nnul\n"+change+"\nnullx\n"+change, Options{PrimaryKeys: opt.PrimaryKeys})
	assert.Len(t, got.records, 3)
	assert.Len(t, got.aside, 2)
	other := importText("export", `{"after": {"v": 1}, "key": [1], "updated": "1701102296662969433.0000000000"}`+"\nnull\n", Options{})
	assert.Len(t, other.aside, 1, "in other formats it is no document")
}

func TestTextWithinTextKeepsToTheLimits(t *testing.T) {
	deep := strings.Repeat("[", 80) + strings.Repeat("]", 80)
	change := postgres("c", "null", `{"id": 7, "j": `+deep+`}`, "")
	text := `{"topic": "t", "partition": 0, "offset": 0, "key": "{\"id\":7}", "payload": ` + string(value.Text(change)) + `}`
	got := importText("export", text, Options{Format: Debezium})
	require.Len(t, got.aside, 1)
	assert.Equal(t, finding.TooDeep, got.aside[0].Code)
	got = importText("export", text, Options{Format: Debezium, Limits: value.Limits{Depth: 100}})
	assert.Len(t, got.records, 1)

	many := `{"id": 7`
	for i := range 50 {
		many += fmt.Sprintf(`, "c%d": 1`, i)
	}
	text = messageOf(`{"id": 7}`, string(value.Text(postgres("c", "null", many+"}", ""))))
	got = importText("export", text, Options{Format: Debezium, Limits: value.Limits{Members: 20}})
	require.Len(t, got.aside, 1)
	assert.Equal(t, finding.TooLarge, got.aside[0].Code)
}

func TestAFormOfDebeziumThatIsNotReadIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		`{"id": 1, "n": 2, "__deleted": "false"}`:                            "flattened",
		`{"key": {"id": 1}, "value": {"id": 1, "__op": "u"}}`:                "ExtractNewRecordState",
		`{"specversion": "1.0", "iodebeziumop": "c", "data": {}}`:            "CloudEvent",
		`{"schema": {}, "payload": {"id": 1, "__source_ts_ms": 1}}`:          "flattened",
		`{"topic": "t", "partition": 0, "offset": 1, "payload": "{}"}`:       `is an object of "topic"`,
		`{"topic": "t", "partition": 0, "offset": 1, "key": "k", "v": null}`: `is an object of "topic"`,
	} {
		got := importText("export", text, Options{})
		require.ErrorIs(t, got.err, ErrFormat, text)
		assert.ErrorContains(t, got.err, want, text)
	}
}

// What an export says is quoted in messages: none of it reaches a terminal as it is.
func TestMessagesQuoteWhatTheChangeSays(t *testing.T) {
	evil := `\u001b[2J` + strings.Repeat("x", 200)
	for _, text := range []string{
		messageOf(`null`, postgres("u", "null", `{"id": 7}`, "")[:0]+`{"after": {"id": 7}, "op": "u", "source": {"connector": "mysql", "table": "`+evil+`"}}`),
		messageOf(`{"id": 7}`, `{"after": {"id": 7}, "op": "`+evil+`", "source": {"connector": "mysql", "table": "t"}}`),
		messageOf(`{"id": 7}`, `{"after": {"id": 7}, "op": "u", "source": {"connector": "`+evil+`"}}`),
		messageOf(`{"id": 7}`, `{"after": {"id": 7}, "op": "u", "source": {"connector": "mysql", "table": "t", "snapshot": "`+evil+`"}}`),
		messageOf(`{"id": 7}`, `{"after": {"id": 7}, "op": "u", "source": {"connector": "mysql", "table": "t", "ts_ms": "`+evil+`"}}`),
		messageOf(`{"`+evil+`": null}`, `{"after": {"id": 7}, "op": "u", "source": {"connector": "mysql", "table": "t"}}`),
		messageOf(`{"id": 7}`, `{"op": "t", "source": {"connector": "mysql", "table": "`+evil+`"}}`),
	} {
		got := importText("export", text, Options{Format: Debezium})
		require.Len(t, got.aside, 1, text)
		assert.NotContains(t, got.aside[0].Detail, "\x1b")
		assert.Less(t, len(got.aside[0].Detail), 400)
	}
}
