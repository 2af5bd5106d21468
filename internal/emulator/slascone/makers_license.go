package slascone

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// The licenses that mean something to a test: what else they are hangs on their
// numbers, see [floating].
const (
	perpetual = 1 // never expires
	expiring  = 3 // expires in the afternoon of the day on which the sandbox is opened
)

// customerOf is the customer of a license: every second one has two.
func (w *world) customerOf(r row) int64 {
	if r.change != nil && r.index >= w.licenses {
		return r.change.parent
	}
	return r.index % w.customers / 2 * 2
}

// licensesOf are the live licenses of a customer.
func (w *world) licensesOf(c int64) []row {
	var out []row
	if c < w.customers && c%2 == 0 {
		for _, index := range []int64{c, c + 1} {
			if r, ok := w.get(license, index); ok && index < w.licenses {
				out = append(out, r)
			}
		}
	}
	for _, index := range w.added[place{kind: customer, index: c, below: license}] {
		if r, ok := w.get(license, index); ok {
			out = append(out, r)
		}
	}
	return out
}

// editionOf is the edition of a license.
func (w *world) editionOf(r row) int64 {
	if r.change != nil && r.index >= w.licenses {
		return r.change.edition
	}
	return 2*(r.index%w.products) + r.index/w.products%2
}

func (w *world) licenseTypeOf(r row) int64 {
	if r.index%6 == 5 {
		return -1
	}
	return r.index % 5
}

// patchOf reads what a write has put in the place of a member.
func (r row) patchOf(name string, into any) bool {
	if r.change == nil || r.change.patch[name] == nil {
		return false
	}
	return json.Unmarshal(r.change.patch[name], into) == nil
}

func (w *world) active(r row) bool {
	var on bool
	if r.patchOf("is_active", &on) {
		return on
	}
	return r.index%8 != 6 || r.index >= w.licenses
}

// expiry is when a license ends: never for those without a date.
func (w *world) expiry(r row) ticks {
	var at *time.Time
	if r.patchOf("expiration_date_utc", &at) {
		if at == nil {
			return never
		}
		return ticksOf(*at)
	}
	h := rows.Mix(w.seed^0xe1, uint64(r.index))
	switch {
	case r.index == perpetual:
		return forever
	case r.index == expiring:
		return w.start + 13*hour + 30*minute
	case r.index%10 == 7: // as some vendors write perpetual
		return ticksOf(time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC))
	case r.index%6 == 5:
		return never
	}
	days := int64(h%1500) - 500
	if days > -2 && days < 30 {
		days += 60
	}
	return w.start + ticks(days)*day
}

func (w *world) expired(r row, now ticks) bool {
	end := w.expiry(r)
	return end != never && end <= now
}

func expirationMode(c *cell) int64 {
	switch c.w.expiry(c.r) {
	case never:
		return 3
	case forever:
		return 1
	}
	return 2
}

func legacyKey(c *cell) string {
	if c.r.index%3 == 0 {
		return ""
	}
	return "OLD-" + strconv.FormatInt(1_000_000+c.r.index, 10)[1:]
}

func tokenLimit(r row) int64 { return 1 + r.index%7 }

func licenseMakers() map[string]maker {
	self := func(c *cell) int64 { return c.r.index }
	name := text(func(c *cell) string { return c.w.nameOf(c.r) })
	out := map[string]maker{
		"LicenseDto.date_validity": number(func(c *cell) int64 {
			if c.w.expired(c.r, c.look.now) {
				return 2
			}
			return 0
		}),
		"LicenseDto.is_valid":                       truth(func(c *cell) bool { return c.w.active(c.r) && !c.w.expired(c.r, c.look.now) }),
		"LicenseDto.is_expired":                     truth(func(c *cell) bool { return c.w.expired(c.r, c.look.now) }),
		"LicenseDto.name":                           text(licenseName),
		"LicenseDto.software_release_limitation_id": idOf(release, func(c *cell) int64 { return c.w.releaseOf(c.r) }),
		"LicenseDto.software_release_limitation":    one(release, func(c *cell) int64 { return c.w.releaseOf(c.r) }),
		"LicenseDto.license_type_id":                idOf(licenseType, func(c *cell) int64 { return c.w.licenseTypeOf(c.r) }),
		"LicenseDto.license_type":                   one(licenseType, func(c *cell) int64 { return c.w.licenseTypeOf(c.r) }),
		"LicenseDto.customer":                       one(customer, func(c *cell) int64 { return c.w.customerOf(c.r) }),
		"LicenseDto.product":                        one(product, func(c *cell) int64 { return c.w.productOf(c.r) }),
		"LicenseDto.template":                       one(template, func(c *cell) int64 { return c.w.editionOf(c.r) }),
		"LicenseDto.license_features":               ofProduct(feature),
		"LicenseDto.license_limitations":            ofProduct(limitation),
		"LicenseDto.license_variables":              ofProduct(variable),
		"LicenseDto.license_constrained_variables":  ofProduct(constrained),
		"LicenseDto.license_users":                  many(func(c *cell) []row { return c.w.below(user, c.r) }),
		"LicenseDto.license_users_groups":           many(func(c *cell) []row { return c.w.below(group, c.r) }),
		"LicenseDto.mail_logs": func(dst []byte, c *cell) []byte {
			if c.look.bare {
				return append(dst, null...)
			}
			return mailLogs(dst, c)
		},
		"MailLogDto.id":         looseID(24),
		"MailLogDto.license_id": idOf(license, self),

		"LicenseFeatureDto.feature_id":                    idOf(feature, self),
		"LicenseFeatureDto.feature_name":                  name,
		"LicenseFeatureExceptionsDto.exceptions":          times(func(*cell) int64 { return 1 }),
		"LicenseLimitationDto.limitation_id":              idOf(limitation, self),
		"LicenseLimitationDto.limitation_name":            name,
		"LicenseLimitationDto.limit":                      number(func(*cell) int64 { return consumptionLimit / 1000 }),
		"LicenseVariableDto.variable_id":                  idOf(variable, self),
		"LicenseVariableDto.variable_name":                name,
		"LicenseConstrainedVariableDto.variable_id":       idOf(constrained, self),
		"LicenseConstrainedVariableDto.variable_name":     name,
		"LicenseConstrainedVariableDto.values":            fixed(`["Gold"]`),
		"ProvisioningConstrainedVariableDto.value":        fixed(`["Gold"]`),
		"ProvisioningConstrainedVariableDto.customListId": idOf(customList, func(c *cell) int64 { return c.r.index % 4 }),
	}
	for member, m := range map[string]maker{
		"expiration_date_utc":  instant(func(c *cell) ticks { return c.w.expiry(c.r) }),
		"expiration_mode":      number(expirationMode),
		"is_active":            truth(func(c *cell) bool { return c.w.active(c.r) }),
		"customer_id":          idOf(customer, func(c *cell) int64 { return c.w.customerOf(c.r) }),
		"template_id":          idOf(template, func(c *cell) int64 { return c.w.editionOf(c.r) }),
		"legacy_license_key":   text(legacyKey),
		"token_limit":          number(func(c *cell) int64 { return tokenLimit(c.r) }),
		"date_of_issue_utc":    instant(func(c *cell) ticks { return c.r.created - c.r.created%second }),
		"start_date_utc":       instant(func(c *cell) ticks { return c.r.created - c.r.created%day }),
		"floating_token_limit": nullUnless(floating, "10"),
		"user_limit":           nullUnless(named, "25"),
		"goodwill_token_limit": nullUnless(func(l int64) bool { return l%2 == 0 }, "1"),
		"is_temporary":         fixed("false"),
		// Computed, and not told apart in time from what a write changed (GUESS).
		"is_software_release_valid": truth(func(c *cell) bool { return c.r.index%16 != 9 }),
		"is_group_valid":            fixed("true"),
		"group_count":               fixed("0"),
	} {
		out["LicenseDto."+member], out["LicenseTreeDto."+member] = m, m
	}
	return out
}

func licenseName(c *cell) string {
	if c.r.index%7 == 4 {
		return ""
	}
	return "Plant " + c.pick("city")
}

func nullUnless(has func(license int64) bool, value string) maker {
	return func(dst []byte, c *cell) []byte {
		if !has(c.r.index) {
			return append(dst, null...)
		}
		return append(dst, value...)
	}
}

var mailLogs = times(func(c *cell) int64 {
	if c.depth > 0 {
		return -1
	}
	return (10 - c.r.index%10) / 10
})

// overviewMakers are those of the flat row (DOC), which has names in the place
// of objects.
func overviewMakers() map[string]maker {
	ofCustomer := func(name string) maker {
		return func(dst []byte, c *cell) []byte {
			r, ok := c.w.get(customer, c.w.customerOf(c.r))
			if !ok {
				return append(dst, null...)
			}
			return append(dst, c.w.member(r, name)...)
		}
	}
	ofReseller := func(name string) maker {
		return func(dst []byte, c *cell) []byte {
			r, ok := c.w.get(reseller, c.w.resellerOf(c.w.customerOf(c.r)))
			if !ok {
				return append(dst, null...)
			}
			return append(dst, c.w.member(r, name)...)
		}
	}
	return map[string]maker{
		"LicenseTreeDto.description": func(dst []byte, c *cell) []byte { return append(dst, c.w.member(c.r, "description")...) },
		"LicenseTreeDto.license_name": func(dst []byte, c *cell) []byte {
			return append(dst, c.w.member(c.r, "name")...)
		},
		"LicenseTreeDto.customer_number":   ofCustomer("customer_number"),
		"LicenseTreeDto.customer_email":    ofCustomer("email"),
		"LicenseTreeDto.company_name":      ofCustomer("company_name"),
		"LicenseTreeDto.customer_type":     text(func(c *cell) string { return c.w.nameAt(customerType, customerTypeOf(c.w.customerOf(c.r))) }),
		"LicenseTreeDto.product_name":      text(func(c *cell) string { return c.w.nameAt(product, c.w.productOf(c.r)) }),
		"LicenseTreeDto.template_name":     text(func(c *cell) string { return c.w.nameAt(template, c.w.editionOf(c.r)) }),
		"LicenseTreeDto.license_type_name": text(func(c *cell) string { return c.w.nameAt(licenseType, c.w.licenseTypeOf(c.r)) }),
		"LicenseTreeDto.software_release": text(func(c *cell) string {
			r, ok := c.w.get(release, c.w.releaseOf(c.r))
			if !ok {
				return ""
			}
			return c.w.releaseName(r)
		}),
		"LicenseTreeDto.active_users": func(dst []byte, c *cell) []byte {
			if !named(c.r.index) {
				return append(dst, null...)
			}
			return strconv.AppendInt(dst, int64(len(c.w.below(user, c.r))), 10)
		},
		"LicenseTreeDto.active_floating_tokens": func(dst []byte, c *cell) []byte {
			if !floating(c.r.index) {
				return append(dst, null...)
			}
			return strconv.AppendInt(dst, int64(len(c.w.below(session, c.r))), 10)
		},
		"LicenseTreeDto.provisioning_mode": truthNumber(floating),
		"LicenseTreeDto.client_type":       truthNumber(named),
		// Null where nobody has asked yet (GUESS); then only the reads themselves tell.
		"LicenseTreeDto.has_consumption_heartbeats": func(dst []byte, c *cell) []byte {
			if c.r.index%10 == 6 {
				return append(dst, null...)
			}
			return strconv.AppendBool(dst, len(c.w.below(consumption, c.r)) > 0)
		},
		"LicenseTreeDto.reseller_id":     idOf(reseller, func(c *cell) int64 { return c.w.resellerOf(c.w.customerOf(c.r)) }),
		"LicenseTreeDto.reseller_number": ofReseller("number"),
		"LicenseTreeDto.reseller_email":  ofReseller("email"),
		"LicenseTreeDto.reseller_name":   ofReseller("name"),
		"LicenseTreeDto.reseller_type": text(func(c *cell) string {
			return c.w.nameAt(resellerType, c.w.resellerOf(c.w.customerOf(c.r))%3)
		}),
	}
}

func truthNumber(is func(license int64) bool) maker {
	return number(func(c *cell) int64 {
		if is(c.r.index) {
			return 1
		}
		return 0
	})
}
