package hostile

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// target is a list of one source that is read, and where it is asked for.
type target struct {
	name, source, stream string
	list                 string // the end of the list's path
	config               map[string]any
	catalog              bool // discovery, which asks much, is made once
}

// The targets: each kind of answer, of pages and of proofs who asks.
var (
	saasoptics  = target{name: "saasoptics", source: "saasoptics", stream: "customers", list: "/customers/", config: map[string]any{"date_window_size": 3650}}
	exactOnline = target{name: "exact_online", source: "exact_online", stream: "cashflow_payment_conditions", list: "/cashflow/PaymentConditions", config: map[string]any{"divisions": "812345"}}
	zohoList    = target{name: "zoho_crm-list", source: "zoho_crm", stream: "contacts", list: "/crm/v8/Contacts", config: map[string]any{"read_method": "list"}, catalog: true}
	zohoBulk    = target{name: "zoho_crm-bulk", source: "zoho_crm", stream: "contacts", list: "/crm/bulk/v8/read", config: map[string]any{"read_method": "bulk"}, catalog: true}
	slascone    = target{name: "slascone", source: "slascone", stream: "customers", list: "/customers"}
	accountView = target{name: "accountview", source: "accountview", stream: "articles", list: "/accountviewdata"}
	butler      = target{name: "buchhaltungsbutler", source: "buchhaltungsbutler", stream: "debtors", list: "/settings/get/debtors"}

	// lists are those that are read as JSON.
	lists = []target{saasoptics, exactOnline, zohoList, slascone, accountView, butler}
	// signedIn are those of the sources with OAuth.
	signedIn = []target{exactOnline, zohoList, accountView}
)

// atList is the request for the list. What more is asked of rows by their ids is
// none of it.
func (to target) atList(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, to.list) && r.URL.Query().Get("ids") == ""
}

// isToken is the request for a token.
func isToken(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }

// isFile is the request for a bulk file.
func isFile(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/result") }

// catalogs are what discovery finds at the stand-ins, by source.
var catalogs sync.Map

type found struct {
	once sync.Once
	text []byte
	err  error
}

// catalogOf discovers a source once.
func catalogOf(t *testing.T, to target) []byte {
	t.Helper()
	v, _ := catalogs.LoadOrStore(to.source, &found{})
	f := v.(*found)
	f.once.Do(func() {
		s := open(t, to, func(*http.Request) bool { return false }, nil, nil)
		config := t.TempDir() + "/config.json"
		if f.err = writeJSON(config, s.config); f.err != nil {
			return
		}
		tap, err := built()
		if f.err = err; err != nil {
			return
		}
		c := exec.Command(tap, to.source, "--config", config, "--discover")
		c.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir())
		f.text, f.err = c.Output()
	})
	require.NoError(t, f.err)
	return f.text
}
