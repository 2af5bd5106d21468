package slascone

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// licenseMembers are those of a license that a write lays over as they are.
var licenseMembers = map[string]string{
	"legacy_license_key": "legacy_license_key", "token_limit": "token_limit", "goodwill_token_limit": "goodwill_token_limit",
	"floating_token_limit": "floating_token_limit", "user_limit": "user_limit", "name": "name", "description": "description",
	"is_active": "is_active", "client_id": "client_id", "expiration_date": "expiration_date_utc", "start_date": "start_date_utc",
}

// licenseBody reads what the writes of licenses have in common.
func (c *call) licenseBody(more ...string) (p, edition int64, owner row, bad *reply) {
	members := append([]string{
		"product_id", "template", "customer_number", "software_release_limitation", "license_type",
		"license_features", "license_limitations", "license_variables", "license_constrained_variables", "tags", "resume_on_error",
	}, more...)
	for name := range licenseMembers {
		members = append(members, name)
	}
	if bad = c.known(members...); bad != nil {
		return 0, 0, row{}, bad
	}
	if bad = c.needed("product_id", "customer_number"); bad != nil {
		return 0, 0, row{}, bad
	}
	u, _ := readUUID(c.text("product_id"))
	k, p, ok := c.w.locate(u)
	if !ok || k != product || p >= c.w.products {
		return 0, 0, row{}, refused(conflict(3000, "Product is not known."))
	}
	if owner, ok = c.w.customerBy(c.text("customer_number")); !ok {
		return 0, 0, row{}, refused(conflict(4000, "Customer is not known."))
	}
	edition = -1
	if name := c.text("template"); name != "" {
		slot := slices.Index(namesOf[template], name)
		if slot < 0 || slot > 1 {
			return 0, 0, row{}, refused(conflict(8001, "Template name is not known."))
		}
		edition = 2*p + int64(slot)
	}
	if name := c.text("license_type"); name != "" && !slices.Contains(namesOf[licenseType], name) {
		return 0, 0, row{}, refused(conflict(2009, "License type is not known."))
	}
	for _, name := range []string{"start_date", "expiration_date"} {
		text := c.text(name)
		if text == "" {
			continue
		}
		at, err := time.Parse(time.DateOnly, text) // the safe choice (DOC: no form is published)
		if err != nil {
			if at, err = time.Parse(time.RFC3339Nano, text); err != nil {
				return 0, 0, row{}, refused(problem(http.StatusBadRequest, "The field "+name+" is not valid."))
			}
		}
		c.body[name] = ticksOf(at).append(nil, 0)
	}
	return p, edition, owner, nil
}

// activeByDefault is the trap of the specification (DOC): is_active has the
// default true in the bodies of changes, too.
func (c *call) activeByDefault() {
	if c.body["is_active"] == nil && (c.r.Method != http.MethodPatch || !c.s.on("patch-keeps-active", c.e.resource)) {
		c.body["is_active"] = json.RawMessage("true")
	}
}

// addLicense answers the bare id (DOC).
func addLicense(c *call) *reply {
	p, edition, owner, bad := c.licenseBody()
	switch {
	case bad != nil:
		return bad
	case edition < 0:
		return refused(problem(http.StatusBadRequest, "The field template is required."))
	}
	key := c.text("legacy_license_key")
	if r, exists := c.w.licenseBy(key); key != "" && exists && c.w.productOf(r) == p {
		return refused(conflict(1005, "Legacy license key is already used."))
	}
	c.activeByDefault()
	t := c.w.byKind[license]
	r := c.w.append(t, atNow(), func(ch *change, _ int64) { ch.parent, ch.product, ch.edition = owner.index, p, edition })
	c.keepLicense(t, r.index)
	return good(rows.AppendText(nil, c.w.keyOf(r)))
}

func (c *call) keepLicense(t *table, index int64) {
	c.patchRow(t, index, licenseMembers)
	c.author(t, index)
	c.learn(license, index)
}

// changeLicense is PATCH by the legacy key (by_template) or by the license key,
// and PUT by the license key, which replaces all (DOC).
func changeLicense(c *call) *reply {
	_, _, _, bad := c.licenseBody("license_key")
	if bad != nil {
		return bad
	}
	key, number := c.text("license_key"), 1000
	if strings.HasSuffix(c.r.URL.Path, "/by_template") {
		key, number = c.text("legacy_license_key"), 2007
	}
	r, ok := c.w.licenseBy(key)
	if !ok {
		return refused(conflict(number, "License key is not known."))
	}
	c.activeByDefault()
	c.w.touch(r.t, r, atNow())
	if c.r.Method == http.MethodPut {
		for _, member := range []string{"name", "description", "goodwill_token_limit", "floating_token_limit", "user_limit"} {
			if c.body[member] == nil {
				c.body[member] = json.RawMessage(null)
			}
		}
	}
	c.keepLicense(r.t, r.index)
	return good(rows.AppendText(nil, c.w.keyOf(r)))
}

func toggle(c *call) *reply {
	r, _ := c.w.get(license, c.ids[license])
	c.body = map[string]json.RawMessage{"is_active": json.RawMessage(strconv.FormatBool(!c.w.active(r)))}
	c.w.touch(r.t, r, atNow())
	c.keepLicense(r.t, r.index)
	return c.answerRow(license, r.index)
}

func setState(c *call) *reply {
	if a := c.known("product_id", "license_key", "is_active"); a != nil {
		return a
	}
	if a := c.needed("product_id", "license_key"); a != nil {
		return a
	}
	r, ok := c.w.licenseBy(c.text("license_key"))
	if !ok {
		return refused(conflict(1000, "License key is not valid."))
	}
	c.w.touch(r.t, r, atNow())
	c.keepLicense(r.t, r.index)
	r, _ = c.w.get(license, r.index)
	return good(asJSON(map[string]any{
		"product_id": c.text("product_id"), "license_id": c.w.keyOf(r), "legacy_license_key": nil, "is_active": c.w.active(r),
	}))
}
