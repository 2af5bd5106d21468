package zohocrm

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

func TestCount(t *testing.T) {
	a := newAPI(t, emulator.Options{Records: 90, Faults: "norows@deals,noright@cases,noscope@calls", Limits: "real"})
	require.JSONEq(t, `{"count":90}`, a.get("Contacts/actions/count").Body)
	criteria := url.QueryEscape("(Modified_Time:greater_equal:2010-01-01T00:00:00+00:00)")
	require.JSONEq(t, `{"count":90}`, a.get("Leads/actions/count?converted=both&criteria="+criteria).Body)
	require.JSONEq(t, `{"count":0}`, a.get("Deals/actions/count").Body)
	for path, want := range map[string]string{
		"Cases/actions/count": "NO_PERMISSION", "Calls/actions/count": "OAUTH_SCOPE_MISMATCH", "Nope/actions/count": "INVALID_MODULE",
		"Notes/actions/count": "NOT_SUPPORTED", "Contacts/actions/sum": "INVALID_URL_PATTERN",
	} {
		require.Equal(t, want, code(t, a.get(path)), path)
	}
	require.Equal(t, "INVALID_REQUEST_METHOD", code(t, a.post("/crm/v8/Contacts/actions/count", "{}")))
	require.Equal(t, "count", a.service.Resource("/crm/v8/Contacts/actions/count"))
	require.NoError(t, a.service.Switch("no-count", true))
	require.Equal(t, http.StatusBadRequest, a.get("Contacts/actions/count").Status)
	require.Error(t, a.service.Switch("nothing", true))

	// DOC: a scope of its own, which those who only read records lack.
	to := a.service.route("/crm/v8/Leads/actions/count")
	require.Nil(t, outOfScope(session{scopes: []string{"ZohoCRM.modules.leads.READ", "ZohoSearch.securesearch.READ"}}, needs(to)))
	require.NotNil(t, outOfScope(session{scopes: []string{"ZohoCRM.modules.ALL"}}, needs(to)))
}
