package data

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var byTime = []string{"fields=id,Modified_Time", "sort_by=Modified_Time", "sort_order=asc", "per_page=20"}

func firstToken(t *testing.T, o *Org, module string, since time.Time, pairs ...string) string {
	t.Helper()
	_, info := list(t, o, module, since, pairs...)
	return info["next_page_token"].(string)
}

func TestTokenIsBound(t *testing.T) {
	o, c := testOrg(200)
	since := o.start.AddDate(-2, 0, 0)
	token := firstToken(t, o, "Deals", since, byTime...)
	with := func(module string, at time.Time, pairs ...string) string {
		_, err := o.List(module, params(append(pairs, "page_token="+token)...), at)
		if err == nil {
			return ""
		}
		return refused(t, err).Code
	}
	require.Empty(t, with("Deals", since, byTime...))
	for name, pairs := range map[string][]string{
		"fields":     {"fields=id", "sort_by=Modified_Time", "sort_order=asc", "per_page=20"},
		"per_page":   {"fields=id,Modified_Time", "sort_by=Modified_Time", "sort_order=asc", "per_page=21"},
		"sort_order": {"fields=id,Modified_Time", "sort_by=Modified_Time", "per_page=20"},
		"another":    append(byTime[:4:4], "x=1"),
	} {
		require.Equal(t, "TOKEN_BOUND_DATA_MISMATCH", with("Deals", since, pairs...), name)
	}
	require.Equal(t, "TOKEN_BOUND_DATA_MISMATCH", with("Accounts", since, byTime...))
	require.Equal(t, "TOKEN_BOUND_DATA_MISMATCH", with("Deals", since.Add(time.Second), byTime...))
	require.Equal(t, "TOKEN_BOUND_DATA_MISMATCH", with("Deals", time.Time{}, byTime...))

	c.now = c.now.Add(24*time.Hour - time.Second)
	require.Empty(t, with("Deals", since, byTime...))
	c.now = c.now.Add(time.Second)
	require.Equal(t, "EXPIRED_VALUE", with("Deals", since, byTime...))

	token = token[:20] + strings.Repeat("0", len(token)-20)
	require.Equal(t, "INVALID_DATA", with("Deals", since, byTime...))
}

func TestTokenWithoutSince(t *testing.T) {
	o, _ := testOrg(200)
	require.NoError(t, o.Switch(UnboundSince, true))
	since := o.start.AddDate(-1, 0, 0)
	token := firstToken(t, o, "Deals", since, byTime...)
	_, err := o.List("Deals", params(append(byTime[:4:4], "page_token="+token)...), since.Add(time.Second))
	require.NoError(t, err)
}

func TestTokenCeiling(t *testing.T) {
	c := newClock()
	o := Open(Options{Records: 100, Seed: 7, Now: c.read, Discrete: 20, Ceiling: 60})
	_, err := o.List("Deals", params("fields=id", "per_page=20", "page=2"), time.Time{})
	require.Equal(t, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", refused(t, err).Code)
	q := params("fields=id", "per_page=20")
	for range 3 {
		b, err := o.List("Deals", q, time.Time{})
		require.NoError(t, err)
		_, info := parse(t, b, "data")
		require.Equal(t, true, info["more_records"])
		q.Set("page_token", info["next_page_token"].(string))
	}
	_, err = o.List("Deals", q, time.Time{})
	e := refused(t, err)
	require.Equal(t, "PAGINATION_LIMIT_EXCEEDED", e.Code)
	require.Equal(t, map[string]any{"param_name": "page_token"}, e.Details)
}

// TestTokenAndChanges touches rows between the pages: those that were read go
// to the end and come again, and no other is lost, unless tokens count rows.
func TestTokenAndChanges(t *testing.T) {
	for _, counting := range []bool{false, true} {
		o, c := testOrg(300)
		require.NoError(t, o.Switch(OffsetToken, counting))
		before := chain(t, o, "Deals", time.Time{}, nil, byTime...)
		require.Len(t, before, 300)
		var touched []string
		rows := chain(t, o, "Deals", time.Time{}, func(page int) {
			if page <= 3 {
				got, err := o.Touch("Deals", c.now, 0, before[page]["id"].(string))
				require.NoError(t, err)
				touched = append(touched, got...)
			}
		}, byTime...)
		seen := make(map[string]int)
		for _, id := range ids(rows) {
			seen[id]++
		}
		missing := 300 - len(seen)
		if counting {
			require.NotZero(t, missing)
			continue
		}
		require.Zero(t, missing)
		for _, id := range touched {
			require.Equal(t, 2, seen[id], "read, touched, and read again at the end")
		}
		last := ids(rows[len(rows)-3:])
		require.ElementsMatch(t, touched, last)
	}
}

func TestTokenAndDeletions(t *testing.T) {
	for _, order := range []string{"asc", "desc"} {
		for _, by := range []string{"id", "Modified_Time", "Created_Time"} {
			o, c := testOrg(300)
			pairs := []string{"fields=id", "sort_by=" + by, "sort_order=" + order, "per_page=20"}
			before := ids(chain(t, o, "Deals", time.Time{}, nil, pairs...))
			rows := chain(t, o, "Deals", time.Time{}, func(page int) {
				// The last row of the page, so that the token's own row is gone.
				_, err := o.Delete("Deals", c.now, 0, before[page*20-1])
				require.NoError(t, err)
			}, pairs...)
			require.Equal(t, before, ids(rows), "%s %s", by, order)
		}
	}
}

func TestTies(t *testing.T) {
	o, _ := testOrg(2000)
	same := make(map[string]int)
	rows := chain(t, o, "Deals", time.Time{}, nil, "fields=Modified_Time", "sort_by=Modified_Time", "sort_order=asc")
	for _, r := range rows {
		same[r["Modified_Time"].(string)]++
	}
	var most int
	for _, n := range same {
		most = max(most, n)
	}
	require.GreaterOrEqual(t, most, 225, "more rows of one second than a page holds")
	seen := make(map[string]bool)
	for _, id := range ids(rows) {
		seen[id] = true
	}
	require.Len(t, seen, 2000)
}
