package edm_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
)

// The numbers are those of the reference that the file was made from.
func TestModelIsWhole(t *testing.T) {
	var selected, synced, modified, deleted, properties, keyed int
	seen := map[string]bool{}
	for _, s := range edm.Sets() {
		require.False(t, seen[s.Name], s.Name)
		seen[s.Name] = true
		if s.Selected {
			selected++
		}
		switch s.Cursor {
		case "Timestamp":
			synced++
			require.Equal(t, edm.Sync, s.Variant, s.Name)
		case "Modified":
			modified++
		default:
			require.Empty(t, s.Cursor, s.Name)
		}
		if s.EntityType > 0 {
			deleted++
		}
		names := map[string]edm.Type{}
		for _, p := range s.Properties() {
			names[p.Name] = p.Type
			require.Equal(t, p.Type == edm.Complex, len(p.Members) > 0, s.Name+"."+p.Name)
		}
		properties += len(names) + len(s.Deferred())
		require.NotEmpty(t, s.Key, s.Name)
		for _, k := range s.Key {
			require.Contains(t, names, k, s.Name)
			keyed++
		}
		if s.Cursor != "" {
			require.Contains(t, names, s.Cursor, s.Name)
		}
		if s.Twin != "" {
			require.NotNil(t, edm.Find(s.Twin), s.Name)
		}
	}
	require.Equal(t, []int{375, 242, 60, 194, 57, 10874}, []int{len(edm.Sets()), selected, synced, modified, deleted, properties})
	require.GreaterOrEqual(t, keyed, 375)
}

func TestFind(t *testing.T) {
	s := edm.Find("sync_crm_accounts")
	require.NotNil(t, s)
	require.Equal(t, "{division}/sync/CRM/Accounts", s.Path)
	require.Equal(t, "sync/CRM", s.Service())
	require.Equal(t, 2, s.EntityType)
	require.True(t, s.Scoped())
	require.Equal(t, "Crm accounts", s.Scope)
	require.Nil(t, edm.Find("nothing"))
	me := edm.Find("current_me")
	require.False(t, me.Scoped())
	require.Equal(t, "current", me.Service())
	require.Equal(t, "openingbalance/CurrentYear", edm.Find("openingbalance_currentyear_processed").Service())
	require.Contains(t, edm.Find("activities_communication_notes").Deferred(), "Attachments")
	require.True(t, strings.HasPrefix(edm.Find("beta_budget_budget_scenarios").Path, "beta/{division}/"))
}
