package slascone

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// write makes the endpoint of a write.
func write(verb, path, resource string, serve func(c *call) *reply, params ...string) *endpoint {
	e := get(path, resource, serve, params...)
	e.verb, e.writes, e.body = verb, true, objectBody
	return e
}

// writeEndpoints are the writes that a sync needs (DOC), and those that make
// consumption.
func writeEndpoints() []*endpoint {
	const customers, licenses = "data_exchange/customers", "data_exchange/licenses"
	return []*endpoint{
		write(http.MethodPost, customers, customers, addCustomer),
		write(http.MethodPatch, customers, customers, patchCustomer),
		write(http.MethodPut, customers+"/contacts", customers+"/contacts", putContact),
		write(http.MethodPost, customers+"/import_csv", customers+"/import", importCustomers, "delimiter", "overwrite_existing", "resume_on_error").with(fileBody),
		get(customers+"/download_csv", customers+"/csv", csvOf(customerColumns)),
		write(http.MethodPost, licenses+"/by_template", licenses, addLicense),
		write(http.MethodPatch, licenses+"/by_template", licenses, changeLicense),
		write(http.MethodPost, licenses, licenses, addLicense),
		write(http.MethodPatch, licenses, licenses, changeLicense),
		write(http.MethodPut, licenses, licenses, changeLicense),
		get(licenses+"/download_csv", licenses+"/csv", csvOf(licenseColumns)),
		write(http.MethodPatch, "customers", "customers", patchByID(customer)),
		write(http.MethodPatch, "licenses", "licenses", patchByID(license), "apply_template_properties"),
		write(http.MethodDelete, "customers/{customer}", "customers/row", deleted(customer)).with(noBody),
		write(http.MethodPut, "customers/{customer}/tags", "customer_tags", setTags(customer)).with(arrayBody),
		write(http.MethodDelete, "licenses/{license}", "licenses/row", deleted(license)).with(noBody),
		write(http.MethodPut, "licenses/{license}/tags", "license_tags", setTags(license)).with(arrayBody),
		write(http.MethodPatch, "licenses/{license}/toggle", "licenses/row", toggle).with(noBody),
		write(http.MethodPost, "provisioning/licenses/state/toggle", "licenses/row", setState),
		write(http.MethodPost, "data_gathering/consumption_heartbeats", "data_gathering/consumption", consume).shared(),
		write(http.MethodPost, "data_gathering/consumption_heartbeats/rollback", "data_gathering/rollback", rollback).shared(),
	}
}

// The columns of the CSV templates are not published: the members of the bodies
// (GUESS).
var (
	customerColumns = []string{"customer_number", "customer_name", "customer_type", "country", "street", "zip", "city", "phone", "email", "prospect_number"}
	licenseColumns  = []string{"customer_number", "template", "legacy_license_key", "token_limit", "start_date", "expiration_date", "license_type", "name"}
)

func csvOf(columns []string) func(c *call) *reply {
	return func(*call) *reply {
		a := good([]byte(strings.Join(columns, ";") + "\r\n"))
		a.Header.Set("Content-Type", "application/octet-stream")
		return a
	}
}

// renamed are the members that customers have in reads, by the names of writes
// (DOC); the type is a name there and an object here.
var renamed = map[string]string{
	"customer_name": "company_name", "zip": "postalcode", "street": "street", "city": "city", "phone": "phone", "email": "email",
	"prospect_number": "prospect_number", "country": "country", "customer_number": "customer_number",
}

// known looks at the members of a body: those of the endpoint and no others.
func (c *call) known(members ...string) *reply {
	for name := range c.body {
		if !slices.Contains(members, name) {
			return refused(problem(http.StatusBadRequest, "The field "+name+" is not known."))
		}
	}
	return nil
}

// needed looks for the members that a body must have.
func (c *call) needed(members ...string) *reply {
	for _, name := range members {
		if c.text(name) == "" {
			return refused(problem(http.StatusBadRequest, "The field "+name+" is required."))
		}
	}
	return nil
}

// customerBody checks names that must be known. GUESS: the numbers of the
// conflicts belong to these calls.
func (c *call) customerBody() *reply {
	if a := c.known(append(customerColumns, "tags")...); a != nil {
		return a
	}
	if name := c.text("customer_type"); name != "" && !slices.Contains(namesOf[customerType], name) {
		return refused(conflict(9001, "Customer type is not known."))
	}
	if name := c.text("country"); name != "" && !slices.Contains(words["country"], name) {
		return refused(conflict(9000, "Country is not known."))
	}
	if raw := c.body["customer_name"]; raw != nil && strings.TrimSpace(c.text("customer_name")) == "" {
		return refused(conflict(9002, "Company name must not be empty."))
	}
	return nil
}

// patchRow lays members of a body over a row. null in it is left out by the
// switch patch-null-keeps; else it clears (GUESS).
func (c *call) patchRow(t *table, index int64, members map[string]string) {
	ch := c.w.changeOf(place{kind: t.kind, index: index})
	patch := maps.Clone(ch.patch)
	if patch == nil {
		patch = make(map[string]json.RawMessage)
	}
	for name, raw := range c.body {
		as := members[name]
		if as == "" || string(raw) == null && c.s.on("patch-null-keeps", c.e.resource) {
			continue
		}
		patch[as] = raw
	}
	ch.patch = patch
}

// author notes who wrote: the header LastModifiedBy, or the key (DOC).
func (c *call) author(t *table, index int64) {
	by := c.r.Header.Get("LastModifiedBy")
	if by == "" {
		by = "AdminKey 1"
	}
	c.w.changeOf(place{kind: t.kind, index: index}).by = by
}

func (c *call) answerRow(k kind, index int64) *reply {
	r, _ := c.w.get(k, index)
	return good(c.w.object(nil, r.t.model, r, row{}, 0, 0, &c.look))
}

// addCustomer is no upsert: a number that exists is a conflict (DOC).
func addCustomer(c *call) *reply {
	if a := c.needed("customer_number", "customer_name", "customer_type", "country"); a != nil {
		return a
	}
	if a := c.customerBody(); a != nil {
		return a
	}
	if _, exists := c.w.customerBy(c.text("customer_number")); exists {
		return refused(conflict(4002, "Customer number already exists."))
	}
	return c.answerRow(customer, c.newCustomer())
}

func (c *call) newCustomer() int64 {
	t := c.w.byKind[customer]
	r := c.w.append(t, atNow(), func(*change, int64) {})
	c.patchRow(t, r.index, renamed)
	c.author(t, r.index)
	c.learn(customer, r.index)
	return r.index
}

func patchCustomer(c *call) *reply {
	if a := c.needed("customer_number"); a != nil {
		return a
	}
	if a := c.customerBody(); a != nil {
		return a
	}
	r, ok := c.w.customerBy(c.text("customer_number"))
	if !ok {
		return refused(conflict(4000, "Customer is not known."))
	}
	c.w.touch(r.t, r, atNow())
	c.patchRow(r.t, r.index, renamed)
	c.author(r.t, r.index)
	return c.answerRow(customer, r.index)
}

// patchByID changes a customer or a license by its id, in the names of reads (DOC).
func patchByID(k kind) func(c *call) *reply {
	return func(c *call) *reply {
		u, _ := readUUID(c.text("id"))
		found, index, ok := c.w.locate(u)
		r, live := c.w.get(k, index)
		if !ok || found != k || !live {
			return refused(c.s.missing(k, c.e.resource))
		}
		members := make(map[string]string)
		for _, x := range c.w.models[r.t.model].members {
			if x.kind != objectType && x.kind != arrayType && !slices.Contains([]string{"id", "created_date_utc", "modified_date_utc", "last_modified_by"}, x.name) {
				members[x.name] = x.name
			}
		}
		for name := range c.body {
			if members[name] == "" && name != "id" {
				return refused(problem(http.StatusBadRequest, "The field "+name+" is not known, or made of others."))
			}
		}
		c.w.touch(r.t, r, atNow())
		c.patchRow(r.t, index, members)
		c.author(r.t, index)
		c.learn(k, index)
		return c.answerRow(k, index)
	}
}

// learn keeps the keys by which other systems know a row.
func (c *call) learn(k kind, index int64) {
	if number := c.text("customer_number"); k == customer && number != "" {
		c.w.numbers[number] = index
	}
	if key := c.text("legacy_license_key"); k == license && key != "" {
		c.w.legacy[key] = index
	}
}

// putContact adds a contact, or changes the one with that e-mail.
func putContact(c *call) *reply {
	if a := c.known("customer_number", "contact_name", "contact_surname", "email", "phone", "mobil", "language", "is_customer_portal_user"); a != nil {
		return a
	}
	if a := c.needed("customer_number", "contact_name", "contact_surname", "email"); a != nil {
		return a
	}
	p, ok := c.w.customerBy(c.text("customer_number"))
	if !ok {
		return refused(conflict(4000, "Customer is not known."))
	}
	t, email := c.w.byKind[contact], c.text("email")
	list := c.w.children(t, p)
	k := slices.IndexFunc(list, func(r row) bool { return c.w.shown(r, "email") == email })
	var r row
	if k >= 0 {
		r = list[k]
		c.w.touch(t, r, atNow())
	} else {
		r = c.w.addChild(t, p, atNow(), nil)
	}
	c.patchRow(t, r.index, map[string]string{
		"contact_name": "name", "contact_surname": "surname", "email": "email", "phone": "phone", "mobil": "mobile",
		"language": "language", "is_customer_portal_user": "is_customer_portal_user",
	})
	return c.answerRow(contact, r.index)
}

// deleted answers the deleted object (DOC).
func deleted(k kind) func(c *call) *reply {
	return func(c *call) *reply {
		r, _ := c.w.get(k, c.ids[k])
		a := c.answerRow(k, r.index)
		var report emulator.Report
		c.w.end(r.t, r, atNow(), &report)
		return a
	}
}

// setTags replaces the tags of a row, and answers them (DOC).
func setTags(k kind) func(c *call) *reply {
	return func(c *call) *reply {
		var list []struct {
			Tag int64 `json:"tag_id"`
		}
		if json.Unmarshal(c.raw, &list) != nil {
			return refused(problem(http.StatusBadRequest, "The body is not valid."))
		}
		ch := c.w.changeOf(place{kind: k, index: c.ids[k]})
		ch.tags = []int64{}
		for _, x := range list {
			ch.tags = append(ch.tags, x.Tag)
		}
		return good(c.raw)
	}
}

// importCustomers reads a part called file (DOC), with a line of columns.
func importCustomers(c *call) *reply {
	file, _, err := c.r.FormFile("file")
	if err != nil {
		return refused(problem(http.StatusBadRequest, "The field file is required."))
	}
	defer func() { _ = file.Close() }()
	in := csv.NewReader(io.LimitReader(file, maxBody))
	in.Comma = ';'
	if d := c.query.Get("delimiter"); len(d) == 1 {
		in.Comma = rune(d[0])
	}
	lines, err := in.ReadAll()
	if err != nil || len(lines) == 0 {
		return refused(problem(http.StatusBadRequest, "The file is not valid."))
	}
	imported, omitted := 0, []map[string]any{}
	for n, line := range lines[1:] {
		c.body = make(map[string]json.RawMessage)
		for k, name := range lines[0] {
			if k < len(line) && line[k] != "" {
				c.body[name] = rows.AppendText(nil, line[k])
			}
		}
		a := c.needed("customer_number", "customer_name", "customer_type", "country")
		if a == nil {
			a = c.customerBody()
		}
		if _, exists := c.w.customerBy(c.text("customer_number")); a == nil && exists {
			a = refused(conflict(4002, "Customer number already exists."))
		}
		if a != nil {
			omitted = append(omitted, map[string]any{"recordLine": n + 2, "errors": []string{string(a.Body)}})
			continue
		}
		c.newCustomer()
		imported++
	}
	return good(asJSON(map[string]any{"imported_rows": imported, "omitted_rows": omitted, "skipped_rows": 0, "total_rows": len(lines) - 1}))
}
