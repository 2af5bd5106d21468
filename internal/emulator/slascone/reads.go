package slascone

import (
	"net/http"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// get makes the endpoint of a read. Parameters come after the path.
func get(path, resource string, serve func(c *call) *reply, params ...string) *endpoint {
	return &endpoint{verb: http.MethodGet, parts: strings.Split(path, "/"), resource: resource, params: params, serve: serve}
}

// post makes the endpoint of a read that is a POST.
func post(path, resource string, serve func(c *call) *reply) *endpoint {
	e := get(path, resource, serve)
	e.verb, e.body = http.MethodPost, objectBody
	return e
}

// shared opens an endpoint for the provisioning key.
func (e *endpoint) shared() *endpoint {
	e.both = true
	return e
}

// readEndpoints are all reads of the API that the stand-in has (DOC). Those with
// an effect answer as if it had come about, and are counted.
func readEndpoints() []*endpoint {
	list := []*endpoint{
		get("products", "products", whole("products"), "name"),
		get("products/{product}", "products/row", single(product)),
		get("products/{product}/detail", "products/detail", detail),
		get("products/{product}/software_release_limitations/{release}/software_shipments", "software_shipments", children("software_shipments", release)),
		get("products/{product}/history", "product_history", children("product_history", product)),
		get("templates", "templates", whole("templates"), "product_id", "name"),
		get("templates/{template}", "templates/row", single(template)),
		get("templates/{template}/history", "template_history", children("template_history", template)),

		get("customers", "customers", whole("customers"), "name"),
		get("customers/light", "customers_light", whole("customers_light")),
		get("customers/count", "customers/count", count(customer)),
		get("customers/types", "customer_types", whole("customer_types"), "name"),
		get("customers/by_number", "customers/row", byNumber, "customer_number"),
		get("customers/number/{text}", "customers/row", byNumber),
		get("customers/contacts/language", "customers/language", func(*call) *reply { return good([]byte(`["de","en","fr"]`)) }),
		get("customers/{customer}", "customers/row", single(customer)),
		get("customers/{customer}/contacts", "customer_contacts", children("customer_contacts", customer)),
		get("customers/{customer}/tags", "customer_tags", children("customer_tags", customer)),
		get("customers/{customer}/contacts/email/{contact}", effect, sideEffect),
		post("customers/filtered", "customers", filteredPeople("customers", "customers", "customer_characters")),

		post("licenses/filtered/detailed", "licenses", filteredLicenses("licenses")),
		post("licenses/filtered", "license_overview", filteredLicenses("license_overview")),
		get("licenses/types", "license_types", whole("license_types"), "name").shared(),
		get("licenses/{license}", "licenses/row", single(license)).shared(),
		get("licenses/{license}/assignments", "license_assignments", assignments,
			"sort_option", "descending", "include_analytical_heartbeats", "operating_systems", "version_number", "page", "page_size").shared(),
		get("licenses/{license}/users", "license_users", children("license_users", license)),
		get("licenses/{license}/usergroups", "license_user_groups", children("license_user_groups", license)),
		get("licenses/{license}/tags", "license_tags", children("license_tags", license)).shared(),
		get("licenses/{license}/history", "license_history", children("license_history", license)),
		get("licenses/{license}/opensessions", "license_open_sessions", children("license_open_sessions", license)),
		get("licenses/{license}/consumption/balance", "consumption_balances", children("consumption_balances", license)).shared(),
		get("licenses/{license}/consumption/heartbeats", "consumption_heartbeats", consumptions,
			"date_from", "date_to", "transaction_id", "user_id", "client_id", "limitations"),
		get("provisioning/licenses/{license}/tokens/floating/active/count", "license_floating_tokens", floatingCount).shared(),
		post("provisioning/licenses/by_license", "licenses/lookup", byLicense).shared(),
		post("lookup/customer", "customers/lookup", lookupCustomer).shared(),

		get("licensebundles", "license_bundles", whole("license_bundles"), "customer_id"),
		get("licensebundles/{bundle}", "license_bundles/row", single(bundle)),
		get("licensebundles/{bundle}/history", "license_bundle_history", children("license_bundle_history", bundle)),

		get("resellers", "resellers", whole("resellers"), "name"),
		get("resellers/count", "resellers/count", count(reseller)),
		get("resellers/types", "reseller_types", whole("reseller_types"), "name"),
		get("resellers/{reseller}", "resellers/row", single(reseller)),
		get("resellers/{reseller}/contacts", "reseller_contacts", children("reseller_contacts", reseller)),
		get("resellers/{reseller}/templates", "reseller_templates", children("reseller_templates", reseller)),
		get("resellers/{reseller}/contacts/email/{agent}", effect, sideEffect),
		post("resellers/filtered", "resellers", filteredPeople("resellers", "resellers", "reseller_character")),

		get("administration/customlist", "custom_lists", whole("custom_lists")),
		get("administration/customlist/{list}", "custom_lists/row", single(customList)),
		get("administration/licenseseats", "license_seats", seats, "product_id", "templateIds", "customerTypeIds", "licenseTypeIds").shared(),
		get("administration/slasconelicenseinfo", "slascone_license_info", licenseInfo, "forceSendHeartbeat").shared(),
		get("administration/configuration", "administration/configuration", func(*call) *reply {
			return good([]byte(`{"on_delete_remove_identity":true}`))
		}),
		get("administration/healthcheck", effect, sideEffect).shared(),
		get("administration/backupstorage", secret, secretOf(`{"account":"backup","key":"c2VjcmV0LWtleQ=="}`)).shared(),
		get("administration/backupstorage/access_token", secret, secretOf(`{"token":"sv=2024&sig=c2VjcmV0"}`)).shared(),
		get("notifications/useremailtemplates", "user_email_templates", whole("user_email_templates")),
		get("notifications/useremailtemplates/{mail}", "user_email_templates/row", single(userMail)),
		get("notifications/configurations", secret, secretOf(`{"host":"smtp.example","user":"licenses","password":"hunter2"}`)),
		get("notifications/configurations/tests", effect, sideEffect, "email", "receiver"),
		get("provisioning/activations/offline", effect, sideEffect, "license_key", "client_id", "product_id").shared(),
	}
	for _, name := range detailed {
		path := strings.TrimPrefix(name, "product_")
		list = append(list, get("products/{product}/"+path, name, children(name, product)))
	}
	return list
}

// detailed are the streams that one answer of a product's detail holds, in the
// order of its members (DOC).
var detailed = []string{
	"product_features", "product_limitations", "product_variables", "product_constrained_variables", "product_analytical_fields",
	"software_release_limitations", "product_usage_features", "product_usage_modules", "product_email_templates", "software_shipment_properties",
}

// item is a row of a list: what its object shows, and where.
type item struct {
	r, outer row
	line     int64
	depth    int
}

// items are the rows of a child stream below a parent.
func (s *Service) items(v *view, p row, l *look) []item {
	if s.empty(v.name) {
		return nil
	}
	w := s.world
	var out []item
	switch v.name {
	case "customer_tags", "license_tags":
		for _, tag := range w.tagsOf(p) {
			out = append(out, item{r: p, line: tag})
		}
	case "license_assignments", "assignment_heartbeats", "analytical_heartbeats":
		for _, r := range w.below(assignment, p) {
			switch {
			case !assigned(r) && s.on("assigned-only", "license_assignments"):
			case v.name == "license_assignments":
				out = append(out, item{r: r})
			case v.name == "assignment_heartbeats" && beats(r):
				out = append(out, item{r: r, depth: 1})
			case v.name == "analytical_heartbeats":
				for _, line := range analyticalLines(r) {
					out = append(out, item{r: r, line: line, depth: 1})
				}
			}
		}
	case "consumption_balances":
		of, ok := w.get(product, w.productOf(p))
		if !ok || len(w.beatsOf(p, l.reverse)) == 0 {
			return nil
		}
		for k, r := range w.below(limitation, of) {
			out = append(out, item{r: r, outer: p, line: int64(k)})
		}
	case "consumption_heartbeats":
		for _, r := range w.beatsOf(p, l.reverse) {
			out = append(out, item{r: r})
		}
	case "reseller_templates":
		for index := p.index % 3; index < 2*w.products && len(out) < 4; index += 3 {
			if r, ok := w.get(template, index); ok {
				out = append(out, item{r: r, outer: p})
			}
		}
	default:
		for _, r := range w.below(v.kind, p) {
			out = append(out, item{r: r})
		}
	}
	return out
}

func (w *world) render(dst []byte, v *view, it item, l *look) []byte {
	return w.object(dst, v.model, it.r, it.outer, it.line, it.depth, l)
}

// idOfItem is what the sandbox calls a row.
func (w *world) idOfItem(v *view, it item) emulator.ID {
	if strings.HasSuffix(v.name, "_tags") {
		return emulator.ID(asJSON(it.line))
	}
	return emulator.ID(w.keyOf(it.r))
}

// listOf is an answer with a bare array. An empty one is 204 where the
// specification declares that (DOC), by switches everywhere or nowhere.
func (c *call) listOf(v *view, items []item, page emulator.Page) *reply {
	dst := []byte{'['}
	for k, it := range items {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = c.w.render(dst, v, it, &c.look)
		page.IDs = append(page.IDs, c.w.idOfItem(v, it))
	}
	a := good(append(dst, ']'))
	if len(items) == 0 {
		a = c.nothing(v)
	}
	a.rows, a.page = len(items), page
	if a.Status == http.StatusOK && !v.derived && !c.w.byKind[v.kind].history {
		a.listed = v.kind
	}
	return a
}

func (c *call) nothing(v *view) *reply {
	declared := v.parent == none && (v.kind == customer && v.name == "customers" || v.kind == reseller || v.kind == bundle)
	if declared && !c.s.on("empty-list", v.name) || c.s.on("empty-204", v.name) {
		return refused(emulator.Answer{Status: http.StatusNoContent})
	}
	return good([]byte("[]"))
}

// whole is the page of a list that has only one.
func (c *call) whole(v *view, n int) emulator.Page {
	return emulator.Page{Resource: v.name, Number: 1, Count: int64(n), Query: c.query}
}

// children answers a list below a parent.
func children(name string, parent kind) func(c *call) *reply {
	return func(c *call) *reply {
		v := streams[name]
		p := c.parent(parent)
		if parent == release && p.parent != c.ids[product] {
			return refused(c.s.missing(release, c.e.resource))
		}
		if parent == product && p.index == departed || parent == release && p.parent == departed {
			if c.s.on("product-gone", name) {
				return refused(c.s.missing(product, c.e.resource))
			}
		}
		if a := c.conflicting(p); a != nil {
			return refused(*a)
		}
		if a := c.userless(v, p); a != nil {
			return refused(*a)
		}
		items := c.s.items(v, p, &c.look)
		return c.listOf(v, items, c.whole(v, len(items)))
	}
}

// userless refuses the users and groups of a license that has none, if switched
// on: the specification declares 404 and 400 there and does not say when (DOC).
func (c *call) userless(v *view, p row) *emulator.Answer {
	if v.kind != user && v.kind != group || named(p.index) {
		return nil
	}
	for name, status := range map[string]int{"users-404": http.StatusNotFound, "users-400": http.StatusBadRequest} {
		if c.s.on(name, v.name) {
			a := problem(status, "The license has no users.")
			return &a
		}
	}
	return nil
}

// parent is a row of the path; of a license also a deleted one.
func (c *call) parent(k kind) row {
	if k == license {
		r, _ := c.licenseEver(c.ids[license])
		return r
	}
	r, _ := c.w.get(k, c.ids[k])
	return r
}

// departed is the product whose lists are a 404 by the fault product-gone.
const departed = 0

// troubled is the license whose children are a conflict by the fault conflict.
const troubled = 5

func (s *Service) inConflict(resource string, p row) bool {
	if p.kind() != license {
		return false
	}
	switch share := s.share("conflict", resource, -1); {
	case share == 0:
		return false
	case share < 0:
		return p.index == troubled
	default:
		return float64((p.index*7919+13)%1000) < 1000*share
	}
}

func (c *call) conflicting(p row) *emulator.Answer {
	if !c.s.inConflict(c.e.resource, p) {
		return nil
	}
	a := conflict(1002, "License is inactive.")
	return &a
}

// whole answers a list of its own: whole, whatever its length (DOC).
func whole(name string) func(c *call) *reply {
	return func(c *call) *reply {
		v := streams[name]
		t := c.w.byKind[v.kind]
		of, bad := c.ofParent(v)
		switch {
		case bad != nil:
			return refused(*bad)
		case c.s.empty(name):
			return c.listOf(v, nil, c.whole(v, 0))
		case len(c.query) == 0 && t.roots.Live() > longList && !c.s.on("signed", name):
			return c.long(v, t)
		}
		wanted := c.query.Get("name")
		var items []item
		for r := range c.w.all(t) {
			if (of < 0 || c.owner(r) == of) && (wanted == "" || strings.EqualFold(c.w.label(r), wanted)) {
				items = append(items, item{r: r})
			}
		}
		return c.listOf(v, items, c.whole(v, len(items)))
	}
}

// ofParent reads the parameter that restricts a list to a product or a customer;
// below 0: none.
func (c *call) ofParent(v *view) (int64, *emulator.Answer) {
	name, k := map[kind]string{template: "product_id", bundle: "customer_id"}[v.kind], map[kind]kind{template: product, bundle: customer}[v.kind]
	text := c.query.Get(name)
	if text == "" {
		if v.kind == bundle && c.s.on("bundles-by-customer", v.name) {
			a := problem(http.StatusBadRequest, "The customer_id field is required.")
			return 0, &a
		}
		return -1, nil
	}
	u, ok := readUUID(text)
	found, index, known := c.w.locate(u)
	switch {
	case !ok:
		a := problem(http.StatusBadRequest, "The value '"+text+"' is not valid.")
		return 0, &a
	case !known || found != k:
		return 1 << indexBits, nil // of nobody: an empty list
	}
	return index, nil
}

func (c *call) owner(r row) int64 {
	if r.t.kind == bundle {
		return c.w.bundleOwner(r)
	}
	return c.w.productOf(r)
}

// label is the name by which lists can be asked.
func (w *world) label(r row) string {
	switch r.t.kind {
	case customer:
		return w.shown(r, "company_name")
	case customerType:
		return w.shown(r, "customer_type_name")
	}
	return w.shown(r, "name")
}

// longList is how many rows are made in one piece.
const (
	longList  = 2000
	listPiece = 512
)

// long answers a list piece by piece. The world is looked at anew for each.
func (c *call) long(v *view, t *table) *reply {
	a := good(nil)
	a.page, a.listed = c.whole(v, int(t.roots.Live())), v.kind
	w, l, next, hooked := c.w, c.look, int64(0), c.s.env.PageHook() != nil || c.s.on("moving", v.name)
	a.more = func(dst []byte) ([]byte, bool) {
		w.mu.RLock()
		defer w.mu.RUnlock()
		var list []row
		list, next = w.walk(t, next, listPiece)
		for _, r := range list {
			first := byte(',')
			if a.rows == 0 {
				first = '['
			}
			a.rows++
			dst = w.render(append(dst, first), v, item{r: r}, &l)
			if hooked {
				a.page.IDs = append(a.page.IDs, emulator.ID(w.keyOf(r)))
			}
		}
		if next < 0 {
			if a.rows == 0 {
				dst = append(dst, '[')
			}
			dst = append(dst, ']')
		}
		return dst, next >= 0
	}
	return a
}
