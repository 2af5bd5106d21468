package slascone

import "strconv"

// noNumber is the customer that was made in the portal, without a number (DOC).
const noNumber = 2

func customerTypeOf(c int64) int64 { return c % 4 }

// resellerOf is the reseller of a customer, below 0 for none.
func (w *world) resellerOf(c int64) int64 {
	if c%6 != 2 {
		return -1
	}
	return c / 6 % w.byKind[reseller].roots.Size()
}

// numberOf is the number that a computed customer has in the ERP or CRM.
func numberOf(c int64) string {
	if c == noNumber || c%97 == 5 {
		return ""
	}
	return "K" + strconv.FormatInt(10_000_001+c, 10)[1:]
}

func peopleMakers() map[string]maker {
	self := func(c *cell) int64 { return c.r.index }
	above := func(c *cell) int64 { return c.r.parent }
	number := text(func(c *cell) string { return numberOf(c.r.index) })
	company := text(func(c *cell) string { return c.w.company(c.r) })
	email := func(dst []byte, c *cell) []byte {
		if c.r.index%9 == 8 {
			return append(dst, null...)
		}
		return append(dst, `"it`+strconv.FormatInt(c.r.index, 10)+`@acme.example"`...)
	}
	return map[string]maker{
		"CustomerDto.company_name":           company,
		"CustomerLightDto.company_name":      company,
		"CustomerAccountDto.company_name":    company,
		"CustomerDto.customer_number":        number,
		"CustomerLightDto.customer_number":   number,
		"CustomerAccountDto.customer_number": number,
		"CustomerAccountDto.customer_id":     idOf(customer, self),
		"CustomerDto.email":                  email,
		"CustomerLightDto.email":             email,
		"CustomerDto.customer_type":          one(customerType, func(c *cell) int64 { return customerTypeOf(c.r.index) }),
		"CustomerDto.reseller_id":            idOf(reseller, func(c *cell) int64 { return c.w.resellerOf(c.r.index) }),

		"CustomerContactDto.customer_id": idOf(customer, above),

		"ResellerDto.number":             text(func(c *cell) string { return "R-" + strconv.FormatInt(100+c.r.index, 10) }),
		"ResellerDto.reseller_type_id":   idOf(resellerType, func(c *cell) int64 { return c.r.index % 3 }),
		"ResellerDto.reseller_type":      one(resellerType, func(c *cell) int64 { return c.r.index % 3 }),
		"ResellerDto.reseller_contacts":  many(func(c *cell) []row { return c.w.below(resellerContact, c.r) }),
		"ResellerContactDto.reseller_id": idOf(reseller, above),

		"LicenseUserDto.user_id":               text(func(c *cell) string { return c.w.userName(c.r) }),
		"LicenseUserDto.license_id":            idOf(license, above),
		"LicenseUserDto.license_user_group_id": idOf(group, func(c *cell) int64 { return c.w.groupOf(c.r) }),
		"LicenseUserDto.active_sessions": many(func(c *cell) []row {
			l, ok := c.w.get(license, c.r.parent)
			if !ok {
				return nil
			}
			return c.w.below(session, l)
		}),

		"LicenseBundleDto.customer_id":                     idOf(customer, func(c *cell) int64 { return c.w.bundleOwner(c.r) }),
		"LicenseBundleDto.customer_name":                   bundleName,
		"LicenseBundleDto.assignments":                     bundled,
		"LicenseBundleAssignmentDto.id":                    looseID(26),
		"LicenseBundleAssignmentDto.bundle_id":             idOf(bundle, func(c *cell) int64 { return c.outer.index }),
		"LicenseBundleAssignmentDto.license_id":            idOf(license, self),
		"LicenseBundleAssignmentDto.license_name":          func(dst []byte, c *cell) []byte { return append(dst, c.w.member(c.r, "name")...) },
		"LicenseBundleAssignmentDto.license_template_name": text(func(c *cell) string { return c.w.nameAt(template, c.w.editionOf(c.r)) }),
		"LicenseBundleAssignmentDto.product_name":          text(func(c *cell) string { return c.w.nameAt(product, c.w.productOf(c.r)) }),
	}
}

func (w *world) company(r row) string {
	list := words["company_name"]
	name := list[r.index%int64(len(list))]
	if n := r.index / int64(len(list)); n > 0 {
		name += " " + strconv.FormatInt(n+1, 10)
	}
	return name
}

// userName is a user's own id, a text that is often an e-mail (DOC), unique in
// its license only.
func (w *world) userName(r row) string {
	slot := strconv.FormatInt(r.index%(1<<20), 10)
	if r.index < firstAdded {
		slot = strconv.FormatInt(r.index%r.t.slots, 10)
	}
	if r.index%3 == 1 {
		return "CORP\\user" + slot
	}
	return "user" + slot + "@acme.example"
}

func (w *world) groupOf(r row) int64 {
	if groupsOf(r.parent) == 0 || r.parent >= w.licenses {
		return -1
	}
	return w.byKind[group].at(r.parent, 0)
}

// bundleOwner is the customer of a bundle.
func (w *world) bundleOwner(r row) int64 {
	if r.change != nil && r.index >= w.byKind[bundle].roots.Size() {
		return r.change.parent
	}
	return 2 * r.index % w.customers / 2 * 2
}

func bundleName(dst []byte, c *cell) []byte {
	r, ok := c.w.get(customer, c.w.bundleOwner(c.r))
	if !ok {
		return append(dst, null...)
	}
	return append(dst, c.w.member(r, "company_name")...)
}

// bundled is never null (DOC).
func bundled(dst []byte, c *cell) []byte {
	dst = append(dst, '[')
	for k, r := range c.w.licensesOf(c.w.bundleOwner(c.r)) {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = c.w.object(dst, c.m.of, r, c.r, int64(k), c.depth+1, c.look)
	}
	return append(dst, ']')
}
