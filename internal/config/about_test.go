package config

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

func TestAbout(t *testing.T) {
	text, page := AboutText(source()), AboutMarkdown(source())
	require.Regexp(t, `token +secret, required +API token\.`, text)
	require.Regexp(t, `date_window_size +integer, default 60`, text)
	require.Contains(t, page, "| `token` | secret | yes |  | API token. |")
	body, err := AboutJSON(source())
	require.NoError(t, err)
	var about struct {
		Name     string
		Settings struct {
			Required   []string
			Properties map[string]map[string]any
		}
	}
	require.NoError(t, json.Unmarshal(body, &about))
	require.Equal(t, []string{"token", "account_name", "server_subdomain", "start_date"}, about.Settings.Required)
	require.Equal(t, true, about.Settings.Properties["token"]["secret"])
	require.Contains(t, about.Settings.Properties, "token_cmd")
	require.InDelta(t, 5, about.Settings.Properties["max_retries"]["default"], 0)
	require.Equal(t, true, about.Settings.Properties["select_fields_by_default"]["default"])
}

func TestAboutSeveral(t *testing.T) {
	other := &stream.Source{Name: "other", Title: "Other", Settings: []stream.Setting{{Key: "client_id", Kind: stream.Secret, Required: true, Doc: "Id."}}}
	docs := map[string]Doc{}
	for _, d := range Describe(source(), other) {
		docs[d.Key] = d
	}
	require.Equal(t, []string{"other"}, docs["client_id"].Sources)
	require.Nil(t, docs["start_date"].Sources)
	require.Equal(t, []string{"other"}, docs["start_date"].Spared)
	require.Contains(t, AboutText(source(), other), "required but for other")
	require.Contains(t, AboutMarkdown(source(), other), "| yes but for other |")
	require.Empty(t, docs["date_window_size"].Default)
	require.Len(t, Describe(), len(Common(nil)))
	require.Contains(t, AboutText(source(), other), "only other")
}
