package zohocrm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// TestChildrenOfRecords: what hangs on the records of every module is read whole.
func TestChildrenOfRecords(t *testing.T) {
	visited(t, emulator.Options{Records: 12}, nil, func(p *place) {
		children := []string{"timelines", "record_attachments", "record_emails", "deal_contact_roles"}
		got := p.sync(nil, children...)
		for _, name := range children {
			key := "id"
			if name == "record_emails" {
				key = "message_id"
			}
			ids := func(rows []sitetest.Row) map[string]bool {
				out := map[string]bool{}
				for _, row := range rows {
					out[row.Key(key, "_deal_id")] = true
				}
				return out
			}
			want := ids(p.Truth(name))
			require.NotEmpty(p, want, name)
			require.Equal(p, want, ids(got.Rows(name)), name)
		}
		require.Empty(p, got.Rows("records"))

		// A record that goes while they are read takes its own with it.
		p.Server.OnPage(func(page emulator.Page) {
			if page.Resource == "deals" {
				p.Change(emulator.Change{Stream: "deals", Delete: 2})
			}
		})
		less := p.sync(nil, "timelines", "deal_contact_roles")
		require.Less(p, len(less.Rows("timelines")), len(got.Rows("timelines")))
		require.NotEmpty(p, less.Rows("deal_contact_roles"))
		require.Empty(p, got.Warnings(""))
	})
}
