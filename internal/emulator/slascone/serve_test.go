package slascone

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// Keys open what the specification says, headers in any case; a wrong account or
// key is a 401 without a body, a key of the wrong kind a 403.
func TestKeysOpen(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	assignments := "licenses/" + a.license(0) + "/assignments"
	other := mount + root + "11111111-2222-4333-8444-555555555555/"
	for _, x := range []struct {
		name, address, header, key string
		status                     int
	}{
		{"admin", base + "products", "AdminKey", AdminKey, 200},
		{"admin, another case", base + "products", "adminkey", AdminKey, 200},
		{"account in capitals", mount + root + strings.ToUpper(ISV) + "/products", "AdminKey", AdminKey, 200},
		{"bearer", base + "products", "Authorization", "Bearer " + BearerToken, 200},
		{"provisioning where it may", base + assignments, "ProvisioningKey", ProvisioningKey, 200},
		{"provisioning elsewhere", base + "products", "ProvisioningKey", ProvisioningKey, 403},
		{"wrong key", base + "products", "AdminKey", "no", 401},
		{"none", base + "products", "Accept", "application/json", 401},
		{"admin key as provisioning key", base + "products", "ProvisioningKey", AdminKey, 401},
		{"wrong account", other + "products", "AdminKey", AdminKey, 401},
		{"another version", mount + "/api/v1.3/isv/" + ISV + "/products", "AdminKey", AdminKey, 404},
		{"no such path", base + "invoices", "AdminKey", AdminKey, 404},
		{"outside", mount + "/swagger", "AdminKey", AdminKey, 404},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := a.Ask(http.MethodGet, x.address, "", x.header, x.key)
			require.Equal(t, x.status, r.Status)
			if r.Status > 299 {
				require.Empty(t, r.Body)
			}
		})
	}
	a.turn("denied-403", -1)
	a.turn("denied-html", -1)
	r := a.Ask(http.MethodGet, base+"products", "", "AdminKey", "no")
	require.Equal(t, 403, r.Status)
	require.Contains(t, r.Body, "<html>")
	a = newAPI(t, emulator.Options{Faults: "noright@license_users"})
	require.Equal(t, 403, a.get("licenses/"+a.license(2)+"/users").Status)
	require.Equal(t, 200, a.get("licenses/"+a.license(2)+"/tags").Status)
	require.Empty(t, a.Truth("license_users"))
}

// What the vendor does not know is refused.
func TestStrictness(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	key := []string{"AdminKey", AdminKey}
	json := []string{"AdminKey", AdminKey, "Content-Type", "application/json"}
	for _, x := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
	}{
		{"no GET list of licenses", "GET", "licenses", "", key, 405},
		{"GET of a filter", "GET", "licenses/filtered", "", key, 405},
		{"POST of a list", "POST", "products", "{}", json, 405},
		{"unknown parameter", "GET", "products?page=1", "", key, 400},
		{"known parameter", "GET", "products?name=CAD", "", key, 200},
		{"bad query", "GET", "products?name=%zz", "", key, 400},
		{"no content type", "POST", "licenses/filtered", `{"page_size":1}`, key, 415},
		{"form", "POST", "licenses/filtered", `page_size=1`, []string{"AdminKey", AdminKey, "Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"with charset", "POST", "licenses/filtered", `{"page_size":1}`, []string{"AdminKey", AdminKey, "Content-Type", "application/json; charset=utf-8"}, 200},
		{"no JSON", "POST", "licenses/filtered", `{"page_size"`, json, 400},
		{"array", "POST", "licenses/filtered", `[]`, json, 400},
		{"null", "POST", "licenses/filtered", `null`, json, 400},
		{"unknown member", "POST", "licenses/filtered", `{"page_size":1,"modified_since":"2026-01-01"}`, json, 400},
		{"member without a meaning", "POST", "licenses/filtered", `{"page_size":1,"date_filter_mode":"x"}`, json, 400},
		{"null product", "POST", "licenses/filtered", `{"page_size":1,"product_filter":null}`, json, 400},
		{"null page", "POST", "licenses/filtered", `{"page_size":1,"page":null}`, json, 200},
		{"page_size missing", "POST", "licenses/filtered", `{"page":1}`, json, 400},
		{"page_size null", "POST", "licenses/filtered", `{"page_size":null}`, json, 400},
		{"page_size 0", "POST", "licenses/filtered", `{"page_size":0}`, json, 400},
		{"page_size as text", "POST", "licenses/filtered", `{"page_size":"10"}`, json, 400},
		{"negative page", "POST", "licenses/filtered", `{"page_size":1,"page":-1}`, json, 400},
		{"sort_type 13", "POST", "licenses/filtered", `{"page_size":1,"sort_type":13}`, json, 400},
		{"no uuid", "GET", "products/7/features", "", key, 400},
		{"bad date", "GET", "licenses/" + a.license(0) + "/consumption/heartbeats?date_from=yesterday", "", key, 400},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := a.Ask(x.method, base+x.path, x.body, x.headers...)
			require.Equal(t, x.status, r.Status, r.Body)
			switch x.status {
			case 400, 415:
				require.Equal(t, "application/problem+json; charset=utf-8", r.Header.Get("Content-Type"))
				problem := objectIn(t, r.Body)
				require.InDelta(t, x.status, problem["status"], 0)
				for _, member := range []string{"type", "title", "detail", "instance"} {
					require.Contains(t, problem, member)
				}
			case 405:
				require.NotEmpty(t, r.Header.Get("Allow"))
				require.Empty(t, r.Body)
			}
		})
	}
}

// Empty lists are 204 for customers, resellers and bundles, [] elsewhere, wrapped
// ones keep their envelope; by switches the other way.
func TestEmpty(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "norows"})
	declared := []string{"customers", "resellers", "licensebundles"}
	others := []string{"products", "templates", "licenses/types", "customers/types", "customers/light", "licenses/" + a.license(2) + "/users"}
	look := func(list []string, status int, body string) {
		t.Helper()
		for _, path := range list {
			r := a.get(path)
			require.Equal(t, status, r.Status, path)
			require.Equal(t, body, r.Body, path)
			if status == 204 {
				require.Empty(t, r.Header.Get("Content-Length"))
			}
		}
	}
	look(declared, 204, "")
	look(others, 200, "[]")
	require.JSONEq(t, `{"licenses":[],"max_count":0,"customer_count":30}`, a.post("licenses/filtered", `{"page_size":5}`).Body)
	require.Equal(t, "[]", a.post("licenses/filtered/detailed", `{"page_size":5}`).Body)
	require.Contains(t, a.post("customers/filtered", `{}`).Body, `"customers":[],"max_count":0`)
	a.turn("empty-list", -1)
	look(declared, 200, "[]")
	a.turn("empty-list", 0)
	a.turn("empty-204", -1)
	look(append(declared, others...), 204, "")
	for name := range streams {
		want := 0
		if name == "slascone_license_info" {
			want = 1 // no list
		}
		require.Len(t, a.Truth(name), want, name)
	}
	// What has no parents is not to be found.
	a = newAPI(t, emulator.Options{Faults: "norows@products,noright@licenses,norows@customers,norows@customers_light"})
	for name, some := range map[string]bool{
		"product_features": false, "software_shipments": false, "license_seats": false, "license_tags": true,
		"license_floating_tokens": true, "customer_contacts": false,
	} {
		require.Equal(t, some, len(a.Truth(name)) > 0, name)
	}
}

// Bodies are bare arrays, objects, texts and numbers.
func TestForms(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	require.Equal(t, "2", a.get("provisioning/licenses/"+a.license(1)+"/tokens/floating/active/count").Body)
	seats := a.get("administration/licenseseats?product_id=" + a.service.world.id(product, 0).String())
	require.Regexp(t, `^[0-9]+$`, seats.Body)
	require.Equal(t, "60", a.get("customers/count").Body)
	r := a.post("lookup/customer", `{"customer_number":"K0000001"}`)
	require.Regexp(t, `^"[0-9a-f-]{36}"$`, r.Body)
	require.Equal(t, 204, a.post("lookup/customer", `{"customer_number":"none"}`).Status)
	require.Equal(t, 204, a.get("customers/by_number?customer_number=none").Status)
	require.Equal(t, "K0000001", objectIn(t, a.get("customers/by_number?customer_number=K0000001").Body)["customer_number"])
	require.Len(t, listIn(t, a.post("provisioning/licenses/by_license", `{"license_key":"`+a.license(4)+`"}`).Body), 1)
	require.Equal(t, a.license(4), ids(listIn(t, a.post("provisioning/licenses/by_license", `{"license_key":"OLD-000004"}`).Body))[0])
	require.Equal(t, 409, a.post("provisioning/licenses/by_license", `{"license_key":"OLD-000003"}`).Status)
	require.Equal(t, "application/json; charset=utf-8", r.Header.Get("Content-Type"))
	info := objectIn(t, a.get("administration/slasconelicenseinfo").Body)
	conforms(t, "SlasconeLicenseInfoDto", info)
	require.Zero(t, a.service.SideEffects())
}

// One detail has what ten lists have.
func TestDetail(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	id := a.service.world.id(product, 1).String()
	got := objectIn(t, a.get("products/"+id+"/detail").Body)
	require.Len(t, got, 10)
	for _, name := range detailed {
		member := strings.TrimPrefix(name, "product_")
		want := a.list("products/" + id + "/" + member)
		require.Len(t, got[member], len(want), name)
		for k, row := range got[member].([]any) {
			require.Equal(t, want[k], row, name)
		}
	}
	stats, err := a.Server.Stats(source)
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.ByResource["products/detail"])
	require.EqualValues(t, 1, stats.ByResource["product_features"])
}

// The switches have the form of names in a list of faults, each with its meaning.
func TestSwitches(t *testing.T) {
	for name, text := range Switches() {
		require.Regexp(t, `^[a-z0-9-]+$`, name)
		require.NotEmpty(t, text, name)
	}
	for _, name := range counting {
		require.Contains(t, Switches(), name)
	}
}

// The names of paths, for faults and statistics.
func TestResource(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	id := a.license(0)
	for path, want := range map[string]string{
		"products": "products", "products/" + id: "products/row", "products/" + id + "/detail": "products/detail",
		"products/" + id + "/features": "product_features", "customers/types": "customer_types", "customers/light": "customers_light",
		"customers/filtered": "customers", "licenses/filtered": "license_overview", "licenses/filtered/detailed": "licenses",
		"licenses/" + id + "/opensessions": "license_open_sessions", "licenses/" + id + "/consumption/heartbeats": "consumption_heartbeats",
		"provisioning/licenses/" + id + "/tokens/floating/active/count": "license_floating_tokens",
		"customers/" + id + "/contacts/email/" + id:                     effect, "administration/backupstorage": secret, "nothing": unknown,
		"products/" + id + "/software_release_limitations/" + id + "/software_shipments": "software_shipments",
	} {
		require.Equal(t, want, a.service.Resource(root+ISV+"/"+path), path)
	}
	require.Equal(t, unknown, a.service.Resource("/swagger"))
}

// GETs that do something, and reads that hold a secret, are counted.
func TestSideEffects(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	owner := a.service.world.id(customer, 1).String()
	person := a.service.world.id(contact, 4).String()
	broker := a.service.world.id(reseller, 0).String()
	agent := a.service.world.id(resellerContact, 0).String()
	for k, path := range []string{
		"customers/" + owner + "/contacts/email/" + person, "resellers/" + broker + "/contacts/email/" + agent,
		"notifications/configurations/tests", "provisioning/activations/offline", "administration/healthcheck",
		"administration/slasconelicenseinfo?forceSendHeartbeat=true",
	} {
		require.Equal(t, 200, a.get(path).Status, path)
		require.EqualValues(t, k+1, a.service.SideEffects(), path)
	}
	require.Zero(t, a.service.Secrets())
	for k, path := range []string{"notifications/configurations", "administration/backupstorage", "administration/backupstorage/access_token"} {
		require.Equal(t, 200, a.get(path).Status)
		require.EqualValues(t, k+1, a.service.Secrets(), path)
	}
	stats, err := a.Server.Stats(source)
	require.NoError(t, err)
	require.EqualValues(t, 5, stats.ByResource[effect])
	require.EqualValues(t, 3, stats.ByResource[secret])
	a.service.Reset()
	require.Zero(t, a.service.SideEffects()+a.service.Secrets())
}

// The children of one license are a conflict with a code, or of a share of them.
func TestConflict(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	path := "licenses/" + a.license(troubled) + "/history"
	require.Equal(t, 200, a.get(path).Status)
	whole := len(a.Truth("license_history"))
	a.turn("conflict", -1)
	r := a.get(path)
	require.Equal(t, 409, r.Status)
	body := objectIn(t, r.Body)
	require.InDelta(t, 1002, body["id"], 0)
	require.Contains(t, body, "message")
	require.Contains(t, body, "help")
	require.Equal(t, 200, a.get("licenses/"+a.license(troubled+1)+"/history").Status)
	require.Len(t, a.Truth("license_history"), whole-1-troubled%4)
	a.turn("conflict", 0.5)
	refused := 0
	for n := range int64(60) {
		if a.get("licenses/"+a.license(n)+"/tags").Status == 409 {
			refused++
		}
	}
	require.InDelta(t, 30, refused, 15)
}

// Users of a license without users: an empty list, or by switches a refusal.
func TestUserless(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	path := "licenses/" + a.license(1) + "/users"
	require.Empty(t, a.list(path))
	before := a.Truth("license_users")
	for name, status := range map[string]int{"users-404": 404, "users-400": 400} {
		a.turn(name, -1)
		require.Equal(t, status, a.get(path).Status)
		require.Equal(t, status, a.get("licenses/"+a.license(3)+"/usergroups").Status)
		require.Equal(t, 200, a.get("licenses/"+a.license(2)+"/users").Status)
		require.Equal(t, before, a.Truth("license_users"))
		a.turn(name, 0)
	}
}

// A slash at the end is no other path; the fault slash leads there.
func TestSlash(t *testing.T) {
	a := newAPI(t, emulator.Options{Faults: "slash"})
	a.Client.CheckRedirect = nil // the default follows
	require.Equal(t, a.get("products").Body, a.get("products/").Body)
	require.Equal(t, 200, a.get("licenses/"+a.license(0)+"/tags").Status)
}

// Unknown ids are 404 or 409.
func TestUnknownIDs(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	const stranger = "5b0a3f0e-2f5b-4a53-9d53-0c6c5f2a7b11"
	paths := map[string]int{
		"licenses/" + stranger: 1000, "licenses/" + stranger + "/history": 1000, "customers/" + stranger: 4000,
		"products/" + stranger + "/features": 3000, "templates/" + stranger: 8001,
		// The id of something else is not one of these.
		"customers/" + a.license(0):                            4000,
		"licenses/" + a.service.world.id(license, 60).String(): 1000,
	}
	for path := range paths {
		require.Equal(t, 404, a.get(path).Status, path)
	}
	a.turn("unknown-409", -1)
	for path, number := range paths {
		r := a.get(path)
		require.Equal(t, 409, r.Status, path)
		require.InDelta(t, number, objectIn(t, r.Body)["id"], 0)
	}
	require.Equal(t, 200, a.get("licenses/"+strings.ToUpper(a.license(0))).Status, "ids in capitals")
}

// By switch answers are signed, with the nonce if there is one.
func TestSigned(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	require.Empty(t, a.get("products").Header.Get("x-slascone-signature"))
	a.turn("signed", -1)
	r := a.Ask(http.MethodGet, base+"products", "", "AdminKey", AdminKey, "X-Nonce", "AAAA")
	sum := func(text string) string {
		m := hmac.New(sha256.New, []byte(AdminKey))
		m.Write([]byte(text))
		return hex.EncodeToString(m.Sum(nil))
	}
	require.Equal(t, sum(r.Body), r.Header.Get("x-slascone-signature"))
	require.Equal(t, sum("AAAA"), r.Header.Get("X-Nonce-Signature"))
}

// Bundles can be asked by customer, and by switch only so.
func TestBundles(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	all := a.list("licensebundles")
	owner := all[1]["customer_id"].(string)
	require.Len(t, a.list("licensebundles?customer_id="+owner), 1)
	require.Equal(t, 204, a.get("licensebundles?customer_id="+a.service.world.id(customer, 1).String()).Status)
	require.Len(t, a.list("templates?product_id="+a.service.world.id(product, 1).String()), 2)
	require.Empty(t, a.list("templates?product_id="+owner))
	require.Equal(t, 400, a.get("templates?product_id=CAD").Status)
	a.turn("bundles-by-customer", -1)
	require.Equal(t, 400, a.get("licensebundles").Status)
	require.Len(t, a.list("licensebundles?customer_id="+owner), 1)
}

// Faults of every stand-in that know the envelope.
func TestMangle(t *testing.T) {
	for fault, want := range map[string]string{"deep": `[{"deep":[[`, "dup": `[{"id":"00000000-`, "next-self": `[{"id":"`, "next-foreign": `[{"id":"`} {
		a := newAPI(t, emulator.Options{Faults: fault})
		require.True(t, strings.HasPrefix(a.get("products").Body, want), fault)
	}
	a := newAPI(t, emulator.Options{Faults: "dup"})
	body := a.post("licenses/filtered", `{"page_size":1}`).Body
	require.True(t, strings.HasPrefix(body, `{"licenses":[{"id":"00000000-`), body[:60])
	a = newAPI(t, emulator.Options{Faults: "502@products"})
	r := a.get("products")
	require.Equal(t, 502, r.Status)
	require.Contains(t, r.Body, "<html")
}
