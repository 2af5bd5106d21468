package slascone

import (
	"strconv"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// assigned tells whether a client holds the token: lists have free ones, too
// (GUESS, see the switch assigned-only).
func assigned(r row) bool { return r.index%4 != 3 }

// beats tells whether the client of a token was heard of.
func beats(r row) bool { return assigned(r) && r.index%5 != 4 }

// unset is .NET's DateTimeOffset of nothing, where a property cannot be null.
const unset = ticks(-62135596800) * second // 0001-01-01T00:00:00Z

// analyticalLines are how many analytical heartbeats a token has: each field one
// or two, the last of which is marked.
const analyticalFields = 3

func deviceMakers() map[string]maker {
	self := func(c *cell) int64 { return c.r.index }
	above := func(c *cell) int64 { return c.r.parent }
	nobody := func(dst []byte, c *cell) []byte { return c.appendUUID(dst, nobodysID) }
	client := text(func(c *cell) string {
		if !assigned(c.r) {
			return ""
		}
		return c.w.clientOf(c.r)
	})
	fieldOf := func(c *cell) int64 {
		return c.w.byKind[analyticalField].at(c.w.productOf(c.r), c.line/2)
	}
	return map[string]maker{
		"DeviceLicenseAssignmentDto.license_id":     idOf(license, above),
		"DeviceLicenseAssignmentDto.token_key":      looseID(28),
		"DeviceLicenseAssignmentDto.client_id":      client,
		"DeviceLicenseAssignmentDto.activated":      truth(func(c *cell) bool { return assigned(c.r) }),
		"DeviceLicenseAssignmentDto.has_heartbeats": truth(func(c *cell) bool { return beats(c.r) }),
		"DeviceLicenseAssignmentDto.has_consumption_heartbeats": truth(func(c *cell) bool {
			return assigned(c.r) && consumes(c.r.parent)
		}),
		"DeviceLicenseAssignmentDto.user_id": func(dst []byte, c *cell) []byte {
			if c.r.index%6 == 0 {
				return plainUUID(dst, c)
			}
			return nobody(dst, c)
		},
		"DeviceLicenseAssignmentDto.activated_date_utc": instant(func(c *cell) ticks {
			if !assigned(c.r) {
				return unset
			}
			return c.r.created - c.r.created%second
		}),
		"DeviceLicenseAssignmentDto.suspended_until_utc": instant(func(c *cell) ticks {
			if c.r.index%11 == 1 {
				return c.w.start + 30*day
			}
			return never
		}),
		"DeviceLicenseAssignmentDto.heartbeat_info": func(dst []byte, c *cell) []byte {
			if c.depth > 0 || !beats(c.r) {
				return append(dst, null...)
			}
			return c.w.object(dst, c.m.of, c.r, row{}, 0, c.depth+1, c.look)
		},
		"DeviceLicenseAssignmentDto.device_analytical_heartbeats": func(dst []byte, c *cell) []byte {
			if c.depth > 0 || !c.look.analytics {
				return append(dst, null...)
			}
			dst = append(dst, '[')
			for k, line := range analyticalLines(c.r) {
				if k > 0 {
					dst = append(dst, ',')
				}
				dst = c.w.object(dst, c.m.of, c.r, row{}, line, c.depth+1, c.look)
			}
			return append(dst, ']')
		},

		"DeviceHeartbeatDto.id":                           beatID, // may be null (DOC)
		"DeviceHeartbeatDto.client_id":                    client,
		"DeviceHeartbeatDto.device_license_id":            idOf(license, above),
		"DeviceHeartbeatDto.device_license_assignment_id": idOf(assignment, self),
		"DeviceHeartbeatDto.created_date_utc":             instant(func(c *cell) ticks { return max(c.r.last(), c.w.start-ticks(1+c.h%400)*hour) }),
		"DeviceHeartbeatDto.customer_name":                text(func(c *cell) string { return c.w.companyOfLicense(c.r.parent) }),
		"DeviceHeartbeatDto.heartbeat_type_id":            idOf(loose, func(c *cell) int64 { return c.r.index % 2 }),
		"DeviceHeartbeatDto.heartbeat_type": func(dst []byte, c *cell) []byte {
			return c.w.object(dst, c.m.of, row{}, row{}, c.r.index%2, c.depth+1, c.look)
		},
		"HeartbeatTypeDto.id":                idOf(loose, func(c *cell) int64 { return c.line }),
		"HeartbeatTypeDto.name":              text(func(c *cell) string { return [...]string{"default", "background"}[c.line] }),
		"HeartbeatTypeDto.created_date_utc":  fixed(null),
		"HeartbeatTypeDto.modified_date_utc": fixed(null),
		"HeartbeatTypeDto.last_modified_by":  fixed(null),

		"DeviceAnalyticalHeartbeatDto.license_assignment_id": idOf(assignment, self),
		"DeviceAnalyticalHeartbeatDto.analytical_field_id":   idOf(analyticalField, fieldOf),
		"DeviceAnalyticalHeartbeatDto.analytical_field":      one(analyticalField, fieldOf),
		"DeviceAnalyticalHeartbeatDto.transaction_id":        looseID(30),
		"DeviceAnalyticalHeartbeatDto.is_last":               truth(func(c *cell) bool { return c.line%2 == 1 }),
		"DeviceAnalyticalHeartbeatDto.value_array":           fixed(`["a","ü",""]`),
		"DeviceAnalyticalHeartbeatDto.created_date_utc":      instant(func(c *cell) ticks { return c.r.created + ticks(c.line)*hour }),
		"DeviceAnalyticalHeartbeatDto.modified_date_utc": instant(func(c *cell) ticks {
			return max(c.r.created+ticks(c.line)*hour, c.r.last()-ticks(6-c.line)*minute)
		}),

		"SessionDto.license_id":          idOf(license, above),
		"SessionDto.session_id":          looseID(32),
		"SessionDto.assignment_id":       idOf(assignment, sessionToken),
		"SessionDto.assignment":          one(assignment, sessionToken),
		"SessionDto.session_valid_until": instant(func(c *cell) ticks { return c.w.start + 2*day }),

		"LicenseInfoDto.customer":                      one(customer, func(c *cell) int64 { return c.w.customerOf(c.r) }),
		"LicenseInfoDto.template_id":                   idOf(template, func(c *cell) int64 { return c.w.editionOf(c.r) }),
		"LicenseInfoDto.product_name":                  text(func(c *cell) string { return c.w.nameAt(product, c.w.productOf(c.r)) }),
		"LicenseInfoDto.license_type":                  one(licenseType, func(c *cell) int64 { return c.w.licenseTypeOf(c.r) }),
		"LicenseInfoDto.features":                      ofProduct(feature),
		"LicenseInfoDto.limitations":                   ofProduct(limitation),
		"SlasconeLicenseInfoDto.slascone_license_info": plainInside,
		"SlasconeLicenseInfoDto.error_message":         fixed(null),
	}
}

func plainInside(dst []byte, c *cell) []byte {
	return c.w.object(dst, c.m.of, c.r, row{}, 0, 0, c.look)
}

func sessionToken(c *cell) int64 { return c.w.byKind[assignment].at(c.r.parent, 0) }

func beatID(dst []byte, c *cell) []byte {
	if c.r.index%7 == 0 {
		return append(dst, null...)
	}
	return looseID(34)(dst, c)
}

// analyticalLines are the places of a token's analytical heartbeats: two for each
// field, of which every other token has only the last.
func analyticalLines(r row) []int64 {
	if !beats(r) {
		return nil
	}
	var out []int64
	for line := range int64(2 * analyticalFields) {
		if line%2 == 1 || r.index%2 == 0 {
			out = append(out, line)
		}
	}
	return out
}

// clientOf is the id that a client sends.
func (w *world) clientOf(r row) string {
	return "PC-" + strconv.FormatUint(rows.Mix(w.seed^0xc1, uint64(r.index))%100_000, 10)
}

func (w *world) companyOfLicense(index int64) string {
	l, ok := w.get(license, index)
	if !ok {
		return ""
	}
	c, ok := w.get(customer, w.customerOf(l))
	if !ok {
		return ""
	}
	return w.company(c)
}
