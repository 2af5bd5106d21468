package engine

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// A row that says of itself that it is of another partition ends the one that was
// asked for, before anything of it is written; what nobody knows says nothing.
func TestForeignRows(t *testing.T) {
	book := singer.Property{Name: "book", Schema: nullable("string", "")}
	for _, c := range []struct {
		name, says string
		lies       bool
	}{
		{"its own", `"B8"`, false},
		{"another one's", `"B7"`, true},
		{"another one's, padded", `"B7  "`, true},
		{"unknown", `"X"`, false},
		{"empty", `""`, false},
		{"null", `null`, false},
		{"absent", "", false},
	} {
		for _, selected := range []bool{true, false} {
			t.Run(c.name+map[bool]string{false: ", deselected"}[selected], func(t *testing.T) {
				s := changing("orders")
				s.Schema = schemaOf(upward, modified, book)
				if !selected {
					s.Hidden = []string{"book"}
				}
				s.Select = "fields"
				w := divided(t, nil, s)
				parts := numbers("7", "8", "9")
				parts[1].Others = map[string]string{"B7": "division 7", "B9": "division 9"}
				w.divisions(parts...)
				sc := w.src.Scopes["division"]
				sc.Tells, sc.Instead = "book", "name the divisions"
				w.src.Scopes["division"] = sc
				for _, p := range parts {
					w.table("d/"+p.ID+"/orders", 4, func(tt *table) {
						for i := range tt.rows {
							if c.says != "" {
								tt.rows[i].more = `,"book":` + c.says
							}
						}
					})
				}
				var fields []string
				w.v.before = func(c call) error { fields = append(fields, c.get("fields")); return nil }
				if !c.lies {
					require.Len(t, w.good("").at("orders"), 12)
					return
				}
				res := w.run("")
				err := res.result("orders").Err
				require.ErrorContains(t, err, `division 8 was asked for, and a row of orders is of division 7: its book is "B7"`)
				require.Equal(t, fault.Contract, fault.KindOf(err))
				require.Equal(t, "name the divisions", fault.As(err).Hint)
				require.False(t, slices.ContainsFunc(res.at("orders"), func(at string) bool { return at[0] == '8' }), "%v", res.at("orders"))
				require.Len(t, res.at("orders"), 8, "the others are read")
				require.Contains(t, fields[0], "book", "it is asked for, though nobody wants it")
			})
		}
	}
}

// What tells a row's partition may be refused as any other field.
func TestTelltaleIsLeftOut(t *testing.T) {
	s := whole("orders")
	s.Schema = schemaOf(singer.Property{Name: "book", Schema: nullable("string", "")})
	s.Select = "fields"
	w := divided(t, nil, s)
	parts := numbers("7")
	parts[0].Others = map[string]string{"B8": "division 8"}
	w.divisions(parts...)
	sc := w.src.Scopes["division"]
	sc.Tells = "book"
	w.src.Scopes["division"] = sc
	w.table("d/7/orders", 2, func(tt *table) { tt.cursor = "" })
	calls := 0
	w.v.before = func(c call) error {
		if calls++; calls == 1 {
			return &stream.UnknownField{Names: []string{"book"}, Err: &fault.Error{Kind: fault.Refused, Err: errors.New("no field book")}}
		}
		require.Equal(t, "id,v,name", c.get("fields"))
		return nil
	}
	require.Len(t, w.good("").at("orders"), 2)
}
