package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// singular is a list of rows in batches, each of which can be asked for by itself;
// hidden tells which ids the batches but the first do not bring.
func singular(t *testing.T, rows, size int, hidden func(id string, c call) bool) *crm {
	t.Helper()
	s := chunky(drifting(3))
	s.Chunked.One = "orders/{id}"
	v := newCRM(t, s, rows, size)
	v.v.on["orders"] = func(c call) (string, error) {
		if ids := c.get("ids"); ids != "" {
			kept := slices.DeleteFunc(strings.Split(ids, ","), func(id string) bool { return hidden(id, c) })
			c.params = append([]stream.Param{{Name: "ids", Value: "0," + strings.Join(kept, ",")}}, c.params...)
		}
		return v.list(c)
	}
	for id := range rows {
		name := fmt.Sprint(id + 1)
		v.v.on["orders/"+name] = func(c call) (string, error) {
			c.params = []stream.Param{{Name: "ids", Value: name}}
			text, err := v.list(c)
			return strings.Replace(text, `{"id"`, `{"lines":[{"id":1}],"id"`, 1), err
		}
	}
	return v
}

func (v *crm) alone() (n int) {
	for _, c := range v.v.calls {
		if strings.HasPrefix(c.path, "orders/") {
			n++
		}
	}
	return n
}

// TestRowsTheirIDsDoNotBring: a row that was listed is not dropped because its id
// does not bring it: it is asked for by itself.
func TestRowsTheirIDsDoNotBring(t *testing.T) {
	for what, hidden := range map[string]func(string, call) bool{
		"in any batch":   func(id string, _ call) bool { return id == "5" },
		"in the others":  func(id string, c call) bool { return id == "5" && strings.Contains(c.get("fields"), "name") },
		"none is":        func(string, call) bool { return true },
		"half of a call": func(id string, c call) bool { return slices.Index(strings.Split(c.get("ids"), ","), id) > 0 },
	} {
		t.Run(what, func(t *testing.T) {
			v := singular(t, 12, 3, hidden)
			res := v.good("")
			require.ElementsMatch(t, ids(12), res.records("orders"))
			require.NotContains(t, string(res.out), `lines`, "what lists do not carry")
			for _, name := range res.values("orders", "name") {
				require.NotNil(t, name, "every field")
			}
			if what == "half of a call" {
				require.Zero(t, v.alone())
			}
		})
	}
	t.Run("it went", func(t *testing.T) {
		v := singular(t, 12, 3, func(id string, c call) bool { return id == "5" && c.n > 2 })
		v.ahead = func(c call) {
			if strings.HasPrefix(c.path, "orders/") {
				v.tt.drop(5) // and no list of deletions tells
			}
		}
		res := v.good("")
		require.NotContains(t, res.records("orders"), "5.1")
		require.Len(t, res.records("orders"), 11)
		require.Equal(t, 1, v.alone())
	})
	t.Run("many", func(t *testing.T) {
		v := singular(t, maxAlone+20, 60, func(string, call) bool { return true })
		res := v.run("")
		err := res.result("orders").Err
		require.Equal(t, fault.Contract, fault.KindOf(err))
		require.ErrorContains(t, err, "120 rows that the list holds are not given when their other fields are asked for by ids")
		require.NotContains(t, res.state(), "modified")
		require.Zero(t, v.alone(), "that many are not asked for one by one")
	})
	t.Run("many that went", func(t *testing.T) {
		v := singular(t, maxAlone+60, 40, func(string, call) bool { return false })
		v.ahead = func(c call) {
			if c.n == 2 {
				for id := range int64(40) {
					v.remove(id + 1)
				}
			}
			if c.n == 5 {
				for id := range int64(70) {
					v.remove(id + 41)
				}
			}
		}
		res := v.good("")
		require.Subset(t, res.records("orders"), v.versions())
		require.LessOrEqual(t, v.alone(), maxAlone)
	})
	t.Run("fewer at once", func(t *testing.T) {
		v := singular(t, 12, 4, func(string, call) bool { return false })
		own := v.v.on["orders"]
		refused := 0
		v.v.on["orders"] = func(c call) (string, error) {
			if n := len(strings.Split(c.get("ids"), ",")); n > 3 {
				refused++
				return "", &fault.Error{Kind: fault.Refused, Err: &stream.TooMany{Limit: 3, Err: fmt.Errorf("%d ids", n)}}
			}
			return own(c)
		}
		require.Equal(t, ids(12), v.good("").records("orders"))
		require.Equal(t, 1, refused, "it is told once")
	})
	t.Run("refused", func(t *testing.T) {
		v := singular(t, 12, 3, func(id string, _ call) bool { return id == "5" })
		v.v.on["orders/5"] = func(call) (string, error) {
			return "", &fault.Error{Kind: fault.Refused, Status: 404, Err: fmt.Errorf("no such path")}
		}
		err := v.run("").result("orders").Err
		require.ErrorContains(t, err, "cannot be asked for by itself: no such path")
		require.Equal(t, fault.Contract, fault.KindOf(err))
	})
}
