package slascone

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

const newCustomer = `{"customer_number":"N-1","customer_name":"New \"Ü\" GmbH","customer_type":"Enterprise","country":"Germany","zip":"1234","city":"Bonn"}`

// POST adds a customer once; names differ between writing and reading.
func TestAddCustomer(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	r := a.Ask(http.MethodPost, base+"data_exchange/customers", newCustomer,
		"AdminKey", AdminKey, "Content-Type", "application/json", "LastModifiedBy", "our sync")
	require.Equal(t, 200, r.Status, r.Body)
	row := objectIn(t, r.Body)
	conforms(t, "CustomerDto", row)
	require.Equal(t, `New "Ü" GmbH`, row["company_name"])
	require.Equal(t, "1234", row["postalcode"])
	require.Equal(t, "our sync", row["last_modified_by"])
	require.Contains(t, ids(a.list("customers")), row["id"])
	require.Equal(t, row["id"], objectIn(t, a.get("customers/by_number?customer_number=N-1").Body)["id"])
	for number, body := range map[int]string{
		4002: newCustomer,
		9001: strings.Replace(newCustomer, "Enterprise", "Nobody", 1),
		9000: strings.Replace(newCustomer, "Germany", "Atlantis", 1),
	} {
		r := a.post("data_exchange/customers", body)
		require.Equal(t, 409, r.Status)
		require.InDelta(t, number, objectIn(t, r.Body)["id"], 0)
	}
	require.Equal(t, 400, a.post("data_exchange/customers", `{"customer_number":"N-2"}`).Status)
	require.Equal(t, 400, a.post("data_exchange/customers", strings.Replace(newCustomer, "zip", "postalcode", 1)).Status)
}

// PATCH keeps what is absent; null clears, or by switch does not.
func TestPatchCustomer(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	before := a.list("customers")[6]
	patch := func(members string) object {
		r := a.send(http.MethodPatch, "data_exchange/customers", `{"customer_number":"K0000007",`+members+`}`)
		require.Equal(t, 200, r.Status, r.Body)
		return objectIn(t, r.Body)
	}
	after := patch(`"city":"Trier"`)
	require.Equal(t, "Trier", after["city"])
	require.NotEqual(t, before["modified_date_utc"], after["modified_date_utc"])
	for member := range before {
		switch member {
		case "city", "modified_date_utc", "last_modified_by", "street":
		default:
			require.Equal(t, before[member], after[member], member)
		}
	}
	require.Nil(t, patch(`"city":null`)["city"])
	a.turn("patch-null-keeps", -1)
	patch(`"city":"Trier"`)
	require.Equal(t, "Trier", patch(`"city":null`)["city"])
	r := a.send(http.MethodPatch, "data_exchange/customers", `{"customer_number":"none","city":"x"}`)
	require.Equal(t, 409, r.Status)
	r = a.send(http.MethodPatch, "customers", `{"id":"`+before["id"].(string)+`","customer_number":"X-9"}`)
	require.Equal(t, 200, r.Status, r.Body)
	require.Equal(t, 204, a.get("customers/by_number?customer_number=K0000007").Status)
	require.Equal(t, before["id"], objectIn(t, a.get("customers/by_number?customer_number=X-9").Body)["id"])
}

// Writes of licenses answer bare ids; is_active is true if it is left out, in a
// PATCH too, or by switch what it was.
func TestLicenseWrites(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	cad := a.service.world.id(product, 0).String()
	body := func(more string) string {
		return fmt.Sprintf(`{"product_id":%q,"customer_number":"K0000001","template":"Standard"%s}`, cad, more)
	}
	r := a.post("data_exchange/licenses/by_template", body(`,"legacy_license_key":"NEW-1","name":"one","expiration_date":"2027-01-31","is_active":false`))
	require.Equal(t, 200, r.Status, r.Body)
	require.Regexp(t, `^"[0-9a-f-]{36}"$`, r.Body)
	id := strings.Trim(r.Body, `"`)
	row := objectIn(t, a.get("licenses/"+id).Body)
	conforms(t, "LicenseDto", row)
	require.Equal(t, "one", row["name"])
	require.Equal(t, "2027-01-31T00:00:00Z", row["expiration_date_utc"])
	require.Equal(t, false, row["is_active"])
	require.Equal(t, "one", a.page("licenses/filtered", `{"page_size":100,"key_search":"NEW-1"}`).Licenses[0]["license_name"])

	again := a.post("data_exchange/licenses/by_template", body(`,"legacy_license_key":"NEW-1"`))
	require.Equal(t, 409, again.Status)
	require.InDelta(t, 1005, objectIn(t, again.Body)["id"], 0)

	patch := body(`,"legacy_license_key":"NEW-1","name":"two"`)
	a.turn("patch-keeps-active", -1)
	require.Equal(t, r.Body, a.send(http.MethodPatch, "data_exchange/licenses/by_template", patch).Body)
	row = objectIn(t, a.get("licenses/"+id).Body)
	require.Equal(t, "two", row["name"])
	require.Equal(t, false, row["is_active"])
	require.Equal(t, "2027-01-31T00:00:00Z", row["expiration_date_utc"], "kept")
	a.turn("patch-keeps-active", 0)
	a.send(http.MethodPatch, "data_exchange/licenses/by_template", patch)
	require.Equal(t, true, objectIn(t, a.get("licenses/"+id).Body)["is_active"], "reactivated")

	r = a.send(http.MethodPut, "data_exchange/licenses", body(`,"license_key":"`+id+`"`))
	require.Equal(t, 200, r.Status, r.Body)
	require.Nil(t, objectIn(t, a.get("licenses/"+id).Body)["name"], "PUT replaces all")

	for number, bad := range map[int]string{
		3000: strings.Replace(body(""), cad, a.license(0), 1), 4000: strings.Replace(body(""), "K0000001", "none", 1),
		8001: strings.Replace(body(""), "Standard", "Gratis", 1), 2009: body(`,"license_type":"none"`),
	} {
		r := a.post("data_exchange/licenses", bad)
		require.Equal(t, 409, r.Status)
		require.InDelta(t, number, objectIn(t, r.Body)["id"], 0)
	}
	off := objectIn(t, a.send(http.MethodPatch, "licenses/"+id+"/toggle", "").Body)
	require.Equal(t, false, off["is_active"])
	on := objectIn(t, a.post("provisioning/licenses/state/toggle", fmt.Sprintf(`{"product_id":%q,"license_key":%q,"is_active":true}`, cad, id)).Body)
	require.Equal(t, true, on["is_active"])
	require.Len(t, a.list("licenses/"+id+"/history"), 6)
	require.Equal(t, 200, a.send(http.MethodDelete, "licenses/"+id, "").Status)
	require.Equal(t, 404, a.get("licenses/"+id).Status)
}

// Tags are replaced, contacts added or changed by their e-mail.
func TestTagsAndContacts(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	id := a.license(2)
	require.JSONEq(t, `[{"tag_id":9}]`, a.send(http.MethodPut, "licenses/"+id+"/tags", `[{"tag_id":9}]`).Body)
	require.JSONEq(t, `[{"tag_id":9}]`, a.get("licenses/"+id+"/tags").Body)
	body := `{"customer_number":"K0000001","contact_name":"Ada","contact_surname":"L","email":"ada@example.org","mobil":"1"}`
	row := objectIn(t, a.send(http.MethodPut, "data_exchange/customers/contacts", body).Body)
	require.Equal(t, "1", row["mobile"])
	again := objectIn(t, a.send(http.MethodPut, "data_exchange/customers/contacts", strings.Replace(body, "Ada", "Eva", 1)).Body)
	require.Equal(t, row["id"], again["id"])
	require.Equal(t, "Eva", again["name"])
}

// The CSV template names the columns; lines that fail are told.
func TestImport(t *testing.T) {
	a := newAPI(t, emulator.Options{})
	r := a.get("data_exchange/customers/download_csv")
	require.Equal(t, "application/octet-stream", r.Header.Get("Content-Type"))
	columns := strings.TrimSpace(r.Body)
	lines := columns + "\nN-1;One;Enterprise;Germany\nN-2;Two;Nobody;Germany\nK0000001;Three;Enterprise;Germany\n"
	body := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.csv\"\r\n\r\n" + strings.ReplaceAll(lines, "Germany\n", "Germany;;;;;;\n") + "\r\n--b--\r\n"
	r = a.Ask(http.MethodPost, base+"data_exchange/customers/import_csv?delimiter=%3B", body, "AdminKey", AdminKey, "Content-Type", "multipart/form-data; boundary=b")
	require.Equal(t, 200, r.Status, r.Body)
	got := objectIn(t, r.Body)
	require.InDelta(t, 1, got["imported_rows"], 0)
	require.InDelta(t, 3, got["total_rows"], 0)
	require.Len(t, got["omitted_rows"], 2)
	require.InDelta(t, 3, got["omitted_rows"].([]any)[0].(object)["recordLine"], 0)
	require.Len(t, a.list("customers"), 61)
}
