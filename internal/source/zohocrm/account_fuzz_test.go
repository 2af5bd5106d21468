package zohocrm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// told answers every request by its resource.
type told map[string][]byte

func (a told) Fetch(_ context.Context, req *stream.Request) (*stream.Response, error) {
	return &stream.Response{Status: 200, Body: a[req.Resource], URL: "https://host/" + req.URL}, nil
}

// FuzzAccount reads what an account says of itself: its modules and their fields, the
// answers of queries and of bulk reads, and the texts in files. Streams and properties
// have names of their own, rows come once, what is made of a text is JSON that says
// the same, and all else is a fault of the vendor's or another way's to read.
func FuzzAccount(f *testing.F) {
	const modules = `{"modules":[{"id":"4876876000000002175","api_name":"Leads","api_supported":true,"generated_type":"default"},{"id":"4876876000000999999","api_name":"LEADS","api_supported":true},{"id":"x","api_name":"Lines","api_supported":true,"generated_type":"subform"}]}`
	for _, fields := range []string{
		`{"fields":[{"api_name":"Last_Name","data_type":"text","json_type":"string","display_field":true},{"api_name":"last_name","data_type":"text"},{"api_name":"Modified_Time","data_type":"datetime"},{"api_name":"Owner","data_type":"ownerlookup","json_type":"jsonobject"},{"api_name":"Account_Name","data_type":"lookup","json_type":"jsonobject","lookup":{"module":{"api_name":"Leads"}}},{"api_name":"Tag","json_type":"jsonarray"}]}`,
		`{"fields":[{"api_name":"Choices","data_type":"multiselectpicklist","json_type":"jsonarray","pick_list_values":[{"display_value":"A; B","actual_value":"A"}]},{"api_name":"F","data_type":"formula","formula":{"return_type":"double"}},{"api_name":"x","visible":false},{"api_name":"a\"b"},{"api_name":"S","data_type":"subform"}]}`,
		`{"fields":[]}`, `{}`, `[]`, ``,
	} {
		f.Add([]byte(modules), []byte(fields))
	}
	f.Add([]byte(`{"modules":[{"id":"1000002175","api_name":"Leads","api_supported":true},{"id":"2000002175","api_name":"LEADS","api_supported":true},{"id":"x","api_name":"leads","api_supported":true}]}`), []byte(`{"fields":[{"api_name":"A"}]}`))
	f.Add([]byte(`{"modules":[{"id":"1","api_name":"`+strings.Repeat("é", 2000)+`","api_supported":true,"generated_type":"custom"}]}`), []byte(`[]`))
	for _, body := range []string{
		string(rowsAt(true, "01 5", "01 3", "02 4", "02 1")), string(rowsAt(true, "02 1", "02 4")), string(rowsAt(false, "03 4")),
		`{"data":[{"id":"1","Modified_Time":"2024-05-01T10:00:01+02:00","a\"b":{"id":"7"},"Tag":[{"name":"x","id":"1"}],"Owner":{"id":"9"}}],"info":{"more_records":true}}`,
		`{"data":[{"status":"success","code":"ADDED_SUCCESSFULLY","details":{"id":"17"}}]}`, `{"data":[{"id":"17","state":"COMPLETED","result":{"count":2,"download_url":"/crm/bulk/v8/read/17/result","more_records":true,"next_page_token":"t"}}]}`,
		`{"data":[{"id":"../1","state":"QUEUED"}]}`, `{"data":[{"id":"1","state":"COMPLETED","result":{"count":0}}]}`, `{"data":[{"id":"1","state":"COMPLETED","result":{"count":-5,"download_url":"x"}}]}`, `{"data":[{"state":"FAILURE","result":{"error_message":"x"}}]}`,
	} {
		f.Add([]byte(`{"modules":[]}`), []byte(body))
	}
	for _, text := range []string{"A;B", "A; B;C", ";", "", `{"a":1}`, `[`, "A;A; B", "a\x00b;\xff"} {
		f.Add([]byte("A\nB\nA; B"), []byte(text))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if len(first)+len(second) > 1<<16 {
			return
		}
		discovered(t, first, second)
		queriedRows(t, second)
		bulkAnswered(t, second)
		texts(t, strings.Split(string(first), "\n"), second)
	})
}

func vendors(t *testing.T, err error) {
	t.Helper()
	e := fault.As(err)
	require.NotNil(t, e, "%v", err)
	require.Contains(t, []fault.Kind{fault.Contract, fault.Refused, fault.Transient}, e.Kind)
	require.NotEmpty(t, e.Hint)
	require.Less(t, len(e.Error()), 2048)
}

func discovered(t *testing.T, modules, fields []byte) {
	t.Helper()
	found, err := discover(t.Context(), told{"modules": modules, "fields": fields}, stream.NewConfig(nil), nil)
	if err != nil {
		vendors(t, err)
		return
	}
	names := map[string]bool{}
	for i := range found {
		s := &found[i]
		require.False(t, names[s.Name] || s.Name == "", "the stream %q comes twice", s.Name)
		names[s.Name] = true
		properties := map[string]bool{}
		for _, p := range s.Schema.Properties {
			require.False(t, properties[strings.ToLower(p.Name)] || p.Name == "", "the property %q comes twice", p.Name)
			properties[strings.ToLower(p.Name)] = true
			h := parseHint(s.Hints[p.Name])
			require.True(t, h.word != hintLookup || h.shown() != "")
			if choices := h.choices(); choices != nil {
				require.True(t, slices.ContainsFunc(choices, func(c string) bool { return strings.Contains(c, semicolon) }))
			}
		}
		require.True(t, properties["id"])
		require.Equal(t, s.Schema.Property("Modified_Time") != nil, s.Cursor != nil)
	}
}

func queriedRows(t *testing.T, body []byte) {
	t.Helper()
	hints := map[string]string{"id": whole, "Owner": hintUser, "Tag": hintTags, `a"b`: "lookup Accounts.Name"}
	r := stream.Read{To: "2026-11-20T12:00:00+00:00", Hint: func(p string) string { return hints[p] }}
	for _, fields := range [][]string{{"id"}, {"Owner", "Tag", `a"b`}} {
		r.Fields = nil
		for _, name := range fields {
			r.Fields = append(r.Fields, stream.Property{Name: name})
		}
		q := &query{road: road{"Deals"}, read: r, limit: queryRows, known: &known{users: map[string][]byte{"9": []byte(`{"id":"9"}`)}}}
		var ids []string
		next, err := q.rows(body, func(row []byte) error {
			var members map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(row, &members), "%s", row)
			ids = append(ids, string(members["id"]))
			return nil
		})
		if err != nil {
			vendors(t, err)
			continue
		}
		var a struct {
			Data []map[string]json.RawMessage
		}
		require.NoError(t, json.Unmarshal(body, &a))
		for i, id := range ids {
			require.Equal(t, string(a.Data[i]["id"]), id)
		}
		if next == nil {
			require.Len(t, ids, len(a.Data), "rows are lost at the end")
		} else {
			require.NotEmpty(t, ids, "the same is asked for again")
		}
	}
}

func bulkAnswered(t *testing.T, body []byte) {
	t.Helper()
	j := &files{road: road{"Deals"}, parts: []*bool{nil}, page: 1}
	resp := &stream.Response{Status: 200, Body: body}
	step, err := j.poll(resp)
	switch {
	case err == nil:
		require.NotEqual(t, step.Ask != nil, step.Download != nil)
		if step.Ask != nil {
			require.Regexp(t, `^/crm/bulk/v8/read/[0-9]+$`, step.Ask.URL)
			require.Positive(t, step.After)
			return
		}
		require.NotEmpty(t, step.Download.URL)
		require.Positive(t, step.Rows)
		_, err = j.more(resp)
		require.NoError(t, err)
	case !errors.Is(err, stream.NoRows):
		vendors(t, err)
	}
}

func texts(t *testing.T, names []string, text []byte) {
	t.Helper()
	if len(names) > 50 {
		return
	}
	literals := map[string][]byte{}
	for _, n := range names {
		literals[n] = quoted(n)
	}
	for name, convert := range map[string]value{"among": among(literals), "joined": joined(literals), "alone": alone(joined(literals)), "object": orObject(nil)} {
		out, ok := convert([]byte("x"), text)
		require.True(t, bytes.HasPrefix(out, []byte("x")))
		if !ok {
			continue
		}
		require.True(t, json.Valid(out[1:]), "%s: %q of %q", name, out[1:], text)
		var list []string
		if (name == "joined" || name == "alone") && json.Unmarshal(out[1:], &list) == nil && len(text) > 0 && bytes.Equal(bytes.ToValidUTF8(text, nil), text) && !bytes.ContainsRune(text, 0) {
			require.Equal(t, string(text), strings.Join(list, semicolon), name)
		}
	}
}
