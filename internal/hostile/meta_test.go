package hostile

import (
	"net/http"
	"strings"
	"testing"
)

// meta is an answer that is no list of rows.
type meta struct {
	name string
	to   target
	path string
}

func metas() []meta {
	found := zohoList
	found.name, found.catalog = "zoho_crm-found", false
	return []meta{
		{"modules", found, "/settings/modules"},
		{"fields", found, "/settings/fields"},
		{"me", exactOnline, "/current/Me"},
		{"divisions", exactOnline, "/system/Divisions"},
		{"dictionary", accountView, "/accountviewsystemdata"},
		{"users", zohoBulk, "/users"},
	}
}

// at are the requests for it.
func (m meta) at() func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.Contains(r.URL.Path, m.path) }
}

// What is asked before the rows: modules, fields, divisions, companies.
func TestMeta(t *testing.T) {
	t.Parallel()
	for _, m := range metas() {
		to := []target{m.to}
		run(t, []hostile{
			{name: m.name + " of open arrays", at: m.at(), to: to, exit: broken, does: func(w *wire) {
				w.with(func() { w.say(`"x":%s`, strings.Repeat("[", 1e6)) })
			}},
			{name: m.name + " without end", at: m.at(), to: to, exit: broken, sample: true, says: "over the limit", does: func(w *wire) {
				w.with(func() {
					w.say(`"x":"`)
					w.repeat("x", 1<<30)
				})
			}},
			{name: m.name + " of text", at: m.at(), to: to, exit: broken, does: func(w *wire) { w.answer("200 OK", `"x"`) }},
			{name: m.name + " in HTML", at: m.at(), to: to, exit: broken, does: func(w *wire) { w.answer("200 OK", "<html>") }},
			{name: m.name + " redirected", at: m.at(), to: to, exit: broken, does: func(w *wire) {
				w.answer("302 Found", "{}", "Location: http://"+w.site.foreign.host)
			}},
		})
	}
}
