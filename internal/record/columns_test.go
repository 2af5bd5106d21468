package record_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

func tableOptions() record.Options {
	owner := nullable("object")
	owner.Properties = []singer.Property{property("id", "string"), property("name", "string")}
	list := nullable("array")
	list.Items = nullable("string")
	return record.Options{
		Stream: "s", Key: []string{"id"}, Cursor: "changed",
		Schema: object(
			singer.Property{Name: "id", Schema: &singer.Schema{Type: "string"}},
			property("name", "string"), property("amount", "number"), property("count", "integer"), property("open", "boolean"),
			property("day", "date"), property("changed", "date-time"),
			singer.Property{Name: "owner", Schema: owner}, singer.Property{Name: "tags", Schema: list}, rescued(),
		),
	}
}

var tableColumns = []record.Column{
	{Name: "id"},
	{Name: "name"},
	{Name: "amount"},
	{Name: "count"},
	{Name: ""},
	{Name: "open"},
	{Name: "day"},
	{Name: "changed"},
	{Name: "owner", Inner: "id"},
	{Name: "owner", Inner: "name"},
	{Name: "tags", Separator: ";"},
}

func fromColumns(t testing.TB, c *record.Converter, cols *record.Columns, fields ...string) (string, error) {
	t.Helper()
	raw := make([][]byte, len(fields))
	for i := range fields {
		raw[i] = []byte(fields[i])
	}
	out, err := c.AppendColumns(nil, cols, raw)
	rec := strings.TrimPrefix(string(out), `{"type":"RECORD","stream":"s","record":`)
	return strings.TrimSuffix(rec, "}\n"), err
}

func TestColumns(t *testing.T) {
	p, err := record.Compile(tableOptions())
	require.NoError(t, err)
	cols, err := p.Columns(tableColumns)
	require.NoError(t, err)
	c := p.NewConverter()
	for name, tc := range map[string]struct {
		fields []string
		want   string
	}{
		"all": {
			[]string{"7", `Ä "q" \ ;`, "12.50", "3", "ignored", "true", "2026-05-01", "2026-05-01T12:00:00+02:00", "9", "Ida", "a;b c"},
			`{"id":"7","name":"Ä \"q\" \\ ;","amount":12.50,"count":3,"open":true,"day":"2026-05-01","changed":"2026-05-01T10:00:00Z","owner":{"id":"9","name":"Ida"},"tags":["a","b c"],"_rescued_data":null}`,
		},
		"empty": {
			[]string{"7", "", "", "", "", "", "", "", "", "", ""},
			`{"id":"7","name":null,"amount":null,"count":null,"open":null,"day":null,"changed":null,"owner":null,"tags":null,"_rescued_data":null}`,
		},
		"half an object": {
			[]string{"7", "", "", "", "", "", "", "", "9", "", ""},
			`{"id":"7","name":null,"amount":null,"count":null,"open":null,"day":null,"changed":null,"owner":{"id":"9","name":null},"tags":null,"_rescued_data":null}`,
		},
		"an object without its first member": {
			[]string{"7", "", "", "", "", "", "", "", "", "Ida", ""},
			`{"id":"7","name":null,"amount":null,"count":null,"open":null,"day":null,"changed":null,"owner":null,"tags":null,"_rescued_data":null}`,
		},
		"what does not fit": {
			[]string{"7", "007", "1,5", "1.5", "", "yes", "soon", "never", "", "", ""},
			`{"id":"7","name":"007","amount":null,"count":null,"open":null,"day":null,"changed":null,"owner":null,"tags":null,"_rescued_data":"{\"amount\":\"1,5\",\"count\":1.5,\"open\":\"yes\",\"day\":\"soon\",\"changed\":\"never\"}"}`,
		},
		"lines": {
			[]string{"7", "a\nb\r\n", "1e3", "", "", "", "", "", "", "", ";"},
			`{"id":"7","name":"a\nb\r\n","amount":1000,"count":null,"open":null,"day":null,"changed":null,"owner":null,"tags":["",""],"_rescued_data":null}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := fromColumns(t, c, cols, tc.fields...)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
	_, err = fromColumns(t, c, cols, "7", "", "", "", "", "", "", "1970-01-01T00:00:01Z", "", "", "")
	require.NoError(t, err)
	v, ok := c.Cursor()
	require.True(t, ok)
	require.Equal(t, int64(1e6), v)

	_, err = fromColumns(t, c, cols, "", "", "", "", "", "", "", "", "", "", "")
	require.ErrorContains(t, err, `key "id" is absent`)
	_, err = fromColumns(t, c, cols, "7")
	require.ErrorContains(t, err, "a row of 1 fields under 11 columns")
	_, err = fromColumns(t, c, cols, "7", "\xff", "", "", "", "", "", "", "", "", "")
	require.ErrorContains(t, err, "UTF-8")
	for want, list := range map[string][]record.Column{
		`column "nothing" is no property`: {{Name: "nothing"}},
		`column "id" is there twice`:      {{Name: "id"}, {Name: "name"}, {Name: "id"}},
		`column "owner" is there twice`:   {{Name: "owner", Inner: "id"}, {Name: "id"}, {Name: "owner", Inner: "name"}},
	} {
		_, err := p.Columns(list)
		require.EqualError(t, err, want)
	}
}

// A row of a table file and the same row as JSON give the same line.
func TestColumnsAgreeWithRows(t *testing.T) {
	p, err := record.Compile(tableOptions())
	require.NoError(t, err)
	cols, err := p.Columns(tableColumns)
	require.NoError(t, err)
	a, b := p.NewConverter(), p.NewConverter()
	rapid.Check(t, func(t *rapid.T) {
		text := func(label string) string { return rapid.StringMatching(`[a-z"\\ äé\n]{0,8}`).Draw(t, label) }
		amount := rapid.SampledFrom([]string{"", "0", "-1.50", "1e3", "12345678901234567890.1"}).Draw(t, "amount")
		count := rapid.SampledFrom([]string{"", "7", "-9223372036854775808", "9223372036854775808"}).Draw(t, "count")
		open := rapid.SampledFrom([]string{"", "true", "false"}).Draw(t, "open")
		changed := rapid.SampledFrom([]string{"", "2026-05-01T12:00:00+02:00", "2026-05-01T12:00:00Z"}).Draw(t, "changed")
		name, owner := text("name"), text("owner")
		row := map[string]any{"id": "k"}
		set := func(key, value string, bare bool) {
			switch {
			case value == "":
			case bare:
				row[key] = json.Number(value)
			default:
				row[key] = value
			}
		}
		set("name", name, false)
		set("amount", amount, true)
		set("count", count, true)
		set("changed", changed, false)
		if open != "" {
			row["open"], _ = strconv.ParseBool(open)
		}
		if owner != "" {
			row["owner"] = map[string]any{"id": owner, "name": nil}
		}
		var body bytes.Buffer
		enc := json.NewEncoder(&body)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(row); err != nil {
			t.Fatal(err)
		}
		want, _, err := a.Append(nil, body.Bytes(), 0)
		if err != nil {
			t.Fatal(err)
		}
		fields := []string{"k", name, amount, count, "", open, "", changed, owner, "", ""}
		raw := make([][]byte, len(fields))
		for i := range fields {
			raw[i] = []byte(fields[i])
		}
		got, err := b.AppendColumns(nil, cols, raw)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != string(got) {
			t.Fatalf("%s\n%s", want, got)
		}
		av, aok := a.Cursor()
		bv, bok := b.Cursor()
		if av != bv || aok != bok || a.KeyHash() != b.KeyHash() {
			t.Fatal("the cursor or the key differs")
		}
	})
}

func BenchmarkColumns(b *testing.B) {
	o := record.Options{Stream: "contacts", Key: []string{"id"}, Cursor: "f007", Schema: object(singer.Property{Name: "id", Schema: &singer.Schema{Type: "string"}})}
	list := []record.Column{{Name: "id"}}
	row := [][]byte{[]byte("4876876000000435017")}
	size := len(row[0]) + 1
	for i := range 119 {
		typ, text := "string", "Some text"
		switch i % 8 {
		case 1:
			typ, text = "number", "1250.75"
		case 3:
			typ, text = "boolean", "true"
		case 5:
			text = ""
		case 7:
			typ, text = "date-time", "2026-05-01T12:00:00+02:00"
		}
		name := "f" + strconv.Itoa(1000 + i)[1:]
		o.Schema.Properties = append(o.Schema.Properties, property(name, typ))
		list = append(list, record.Column{Name: name})
		row = append(row, []byte(text))
		size += len(text) + 1
	}
	p, err := record.Compile(o)
	require.NoError(b, err)
	cols, err := p.Columns(list)
	require.NoError(b, err)
	c := p.NewConverter()
	c.SetTime(extracted)
	var out []byte
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if out, err = c.AppendColumns(out[:0], cols, row); err != nil {
			b.Fatal(err)
		}
	}
}
