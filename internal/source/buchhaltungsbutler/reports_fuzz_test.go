package buchhaltungsbutler

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// FuzzReports reads any answer about a report: each account, group, class and total
// that encoding/json finds in a good one is one row, a JSON object that tells what
// the report is about; what else comes is refused, or asked for again.
func FuzzReports(f *testing.F) {
	for _, seed := range []string{
		`{"success":true,"report":{"sums":{"1200":{"postingaccount_number":"1200","debit":"1.50"},"4400":{"name":"Erlöse"}}}}`,
		`{"success":true,"report":{"sums":[]}}`, `{"report":{"sums":[1]}}`, `{"report":{"sums":null}}`, `{"report":{"sums":{"a\"b":{"\u0000":1}}}}`,
		`{"success":true,"report":{"standardChart":"SKR03","groups":{"g":{"groupDisplayName":"G","groupName":"g","sum":1,"classes":{"c":{"classDisplayName":"C","postingaccounts":{"8400":{"postingaccount_number":"8400","accountDisplayName":"A"}}},"d":{"postingaccounts":[]}}},"h":{"classes":null}},"totals":{"t":{"totalDisplayName":"T","amount":"7"}}}}`,
		`{"report":{"groups":[],"totals":{}}}`, `{"success":false,"error_code":12,"message":"busy"}`, `{"success":false,"error_code":8}`, `{"id_by_customer":"17"}`, `{"id_by_customer":9e9}`, ``, `[]`, `{"report":{"sums":{"1":2}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, known := range []string{"", "17"} {
			m := &made{kind: "sums", id: known, params: []stream.Param{text(from, "2026-01-01"), text(to, "2026-12-31")}}
			step, err := m.poll(&stream.Response{Status: 200, Body: body})
			if err != nil {
				require.Equal(t, fault.Contract, fault.KindOf(err))
				require.NotEmpty(t, fault.As(err).Hint)
				continue
			}
			require.NotEqual(t, step.Here, step.Ask != nil)
			require.True(t, step.Here || step.After > 0)
			require.NotRegexp(t, `[^0-9-]`, m.id)
		}
		if !json.Valid(body) {
			return // the engine has seen it before
		}
		m := &made{kind: "sums", id: "17", params: []stream.Param{text(from, "2026-01-01")}}
		plain := !repeats(body)
		if rows := read(t, m, body, m.sums); rows != nil && plain {
			sums := objectAt(body, "report", "sums")
			require.Len(t, rows, len(sums))
			for _, row := range rows {
				require.Contains(t, sums, row.text(accountID))
				for name := range objectAt(sums[row.text(accountID)]) {
					if name != "Name" && name != "DisplayName" && !repeats(sums[row.text(accountID)]) {
						require.Contains(t, row, name)
					}
				}
			}
		}
		if rows := read(t, m, body, m.groups); rows != nil && plain {
			groups := objectAt(body, "report", "groups")
			want := len(groups) + len(objectAt(body, "report", "totals"))
			for _, group := range groups {
				classes := objectAt(group, "classes")
				want += len(classes)
				for _, class := range classes {
					want += len(objectAt(class, "postingaccounts"))
				}
			}
			require.Len(t, rows, want)
		}
	})
}

// objectAt are the members of an object as encoding/json finds them.
func objectAt(raw json.RawMessage, path ...string) map[string]json.RawMessage {
	for _, name := range path {
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil {
			return nil
		}
		raw = members[name]
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}

type reportRow map[string]json.RawMessage

func (r reportRow) text(member string) (s string) {
	_ = json.Unmarshal(r[member], &s)
	return s
}

// read are the rows of a report, nil where it is refused.
func read(t *testing.T, m *made, body []byte, rows func([]byte, func([]byte) error) error) []reportRow {
	t.Helper()
	out := []reportRow{}
	err := rows(body, func(row []byte) error {
		var r reportRow
		require.NoError(t, json.Unmarshal(row, &r), "%s", row)
		require.Equal(t, "17", string(r["report_"+id]))
		require.Equal(t, m.params[0].Value, r.text(from))
		out = append(out, r)
		return nil
	})
	if err != nil {
		return nil
	}
	return out
}

// repeats tells whether names of members come twice.
func repeats(body []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(body)))
	var names []map[string]bool // of the objects that are open; nil for an array
	name := false
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{':
				names, name = append(names, map[string]bool{}), true
				continue
			case '[':
				names, name = append(names, nil), false
				continue
			}
			names = names[:len(names)-1]
		case string:
			if name {
				if names[len(names)-1][token] {
					return true
				}
				names[len(names)-1][token], name = true, false
				continue
			}
		}
		name = len(names) > 0 && names[len(names)-1] != nil
	}
}
