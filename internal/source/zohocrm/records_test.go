package zohocrm_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// TestChildrenOfRecords: what hangs on the records of every module is read whole.
func TestChildrenOfRecords(t *testing.T) {
	visited(t, emulator.Options{Records: 12}, nil, func(p *place) {
		children := []string{"timelines", "record_attachments", "record_emails", "deal_contact_roles"}
		got := p.sync(nil, children...)
		for _, name := range children {
			var text bytes.Buffer
			require.NoError(p, p.server.Truth(&text, p.src.Name, name))
			key := "id"
			if name == "record_emails" {
				key = "message_id"
			}
			want := map[string]bool{}
			for line := range bytes.Lines(text.Bytes()) {
				var row map[string]json.RawMessage
				require.NoError(p, json.Unmarshal(line, &row))
				want[string(row[key])+string(row["_deal_id"])] = true
			}
			have := map[string]bool{}
			for _, row := range got.rows[name] {
				have[string(row[key])+string(row["_deal_id"])] = true
			}
			require.NotEmpty(p, want, name)
			require.Equal(p, want, have, name)
		}
		require.Empty(p, got.rows["records"])

		// A record that goes while they are read takes its own with it.
		p.server.OnPage(func(page emulator.Page) {
			if page.Resource == "deals" {
				_, err := p.server.Change(p.src.Name, emulator.Change{Stream: "deals", Delete: 2})
				require.NoError(p, err)
			}
		})
		less := p.sync(nil, "timelines", "deal_contact_roles")
		require.Less(p, len(less.rows["timelines"]), len(got.rows["timelines"]))
		require.NotEmpty(p, less.rows["deal_contact_roles"])
		require.NotContains(p, strings.ToLower(got.log), "level=warn")
	})
}
