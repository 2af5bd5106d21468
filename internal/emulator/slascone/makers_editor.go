package slascone

import (
	"strconv"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// editorMakers are those of products, editions and what they consist of.
func editorMakers() map[string]maker {
	name := text(func(c *cell) string { return c.w.nameOf(c.r) })
	out := map[string]maker{
		"CustomerTypeDto.customer_type_name": name,
		"CustomListDto.custom_list_name":     name,
		"CustomListDto.elements":             times(func(c *cell) int64 { return 2 + c.r.index%3 }),
		"CustomListElementDto.id":            looseID(20),
		"ResourceDto.name":                   text(func(*cell) string { return "logo.png" }),

		"ConstrainedVariableDto.custom_list_id": idOf(customList, func(c *cell) int64 { return c.r.index % 4 }),

		"ProductDto.software_release":            many(func(c *cell) []row { return c.w.below(release, c.r) }),
		"ProductDto.minimum_software_release_id": idOf(release, func(c *cell) int64 { return c.w.releaseOf(c.r) }),
		"ProductDto.minimum_software_release":    one(release, func(c *cell) int64 { return c.w.releaseOf(c.r) }),

		"SoftwareReleaseLimitationDto.software_release":   text(func(c *cell) string { return c.w.releaseName(c.r) }),
		"SoftwareReleaseLimitationDto.software_shipments": many(func(c *cell) []row { return c.w.below(shipment, c.r) }),

		"SoftwareShipmentDto.software_release_limitation_id":                  idOf(release, func(c *cell) int64 { return c.r.parent }),
		"SoftwareShipmentDto.is_latest":                                       truth(func(c *cell) bool { return c.r.index%c.r.t.slots == 1 }),
		"SoftwareShipmentDto.properties":                                      manyTo(1, func(c *cell) []row { return c.w.propertiesOf(c.r) }),
		"SoftwareShipmentPropertyDto.id":                                      looseID(22),
		"SoftwareShipmentPropertyDto.software_shipment_id":                    idOf(shipment, func(c *cell) int64 { return c.outer.index }),
		"SoftwareShipmentPropertyDto.product_software_shipment_property_id":   idOf(shipmentProperty, func(c *cell) int64 { return c.r.index }),
		"SoftwareShipmentPropertyDto.product_software_shipment_property_name": name,
		"EmailTemplateDto.sub_email_templates":                                subTemplates,
		"UserEmailTemplateDto.sub_email_templates":                            subTemplates,
		"EmailTemplateDto.parent_id":                                          parentTemplate,
		"UserEmailTemplateDto.parent_id":                                      parentTemplate,
		"EmailTemplateDto.id":                                                 templateID,
		"UserEmailTemplateDto.id":                                             templateID,
		"EmailTemplateDto.language":                                           text(func(c *cell) string { return words["language"][min(c.line, 3)] }),
		"UserEmailTemplateDto.language":                                       text(func(c *cell) string { return words["language"][min(c.line, 3)] }),
	}
	for _, m := range []string{
		"ProductDto", "TemplateDto", "LicenseTypeDto", "ResellerTypeDto", "ResellerDto", "UserEmailTemplateDto", "EmailTemplateDto",
		"FeatureDto", "LimitationDto", "VariableDto", "ConstrainedVariableDto", "AnalyticalFieldDto", "UsageFeatureDto", "UsageModuleDto",
		"ProductSoftwareShipmentPropertyDto", "LicenseUserGroupDto", "ProvisioningFeatureDto", "ProvisioningLimitationDto",
		"ProvisioningVariableDto", "ProvisioningConstrainedVariableDto",
	} {
		out[m+".name"] = name
	}
	return gather(out, templateMakers(), historyMakers())
}

// below are the rows of a child table.
func (w *world) below(k kind, parent row) []row { return w.children(w.byKind[k], parent) }

// releaseOf is the oldest release that a product still allows, if it has one.
func (w *world) releaseOf(r row) int64 {
	p := w.productOf(r)
	if p%2 == 0 {
		return -1
	}
	return w.byKind[release].at(p, 0)
}

func (w *world) releaseName(r row) string {
	return strconv.FormatInt(2023+r.index%r.t.slots, 10) + ".1"
}

// propertiesOf are the values that a shipment has of the properties of its
// product.
func (w *world) propertiesOf(r row) []row {
	p, ok := w.get(product, w.productOf(r))
	if !ok || r.index%2 == 0 {
		return nil
	}
	return w.below(shipmentProperty, p)
}

// subTemplates nest: the first template of a product, and the first one for
// users, have one in another language that has one in turn. They are the same row
// at a greater depth, with an id of its own.
func subTemplates(dst []byte, c *cell) []byte {
	if c.r.index%c.w.firstOf(c.r) != 0 || c.line >= 2 || c.depth > 2 {
		return append(dst, "[]"...)
	}
	dst = append(dst, '[')
	dst = c.w.object(dst, c.m.of, c.r, c.outer, c.line+1, c.depth+1, c.look)
	return append(dst, ']')
}

// firstOf is how far apart the rows lie that are the first of their list.
func (w *world) firstOf(r row) int64 {
	if r.t.parent == nil {
		return 1 << indexBits
	}
	return r.t.slots
}

func templateAt(c *cell, line int64) uuid {
	if line == 0 {
		return c.w.id(c.r.kind(), c.r.index)
	}
	return c.w.id(loose, int64(c.r.kind())<<40|c.r.index<<2|line)
}

func templateID(dst []byte, c *cell) []byte { return c.appendUUID(dst, templateAt(c, c.line)) }

func parentTemplate(dst []byte, c *cell) []byte {
	if c.line == 0 {
		return append(dst, null...)
	}
	return c.appendUUID(dst, templateAt(c, c.line-1))
}

// ofProduct lists the rows that the product of a row has in a table.
func ofProduct(k kind) maker {
	return many(func(c *cell) []row {
		p, ok := c.w.get(product, c.w.productOf(c.r))
		if !ok {
			return nil
		}
		return c.w.below(k, p)
	})
}

func templateMakers() map[string]maker {
	self := func(c *cell) int64 { return c.r.index }
	around := idOf(template, func(c *cell) int64 { return c.outer.index })
	name := text(func(c *cell) string { return c.w.nameOf(c.r) })
	out := map[string]maker{
		"TemplateDto.product_name":                   text(func(c *cell) string { return c.w.nameAt(product, c.w.productOf(c.r)) }),
		"TemplateDto.is_active":                      fixed("true"),
		"TemplateDto.license_type_id":                idOf(licenseType, func(c *cell) int64 { return c.r.index % 5 }),
		"TemplateDto.license_type":                   one(licenseType, func(c *cell) int64 { return c.r.index % 5 }),
		"TemplateDto.expiration_date_utc":            instant(func(*cell) ticks { return forever }),
		"TemplateDto.expiration_mode":                fixed("1"),
		"TemplateDto.provisioning_mode":              fixed("0"),
		"TemplateDto.client_type":                    fixed("0"),
		"TemplateDto.features":                       ofProduct(feature),
		"TemplateDto.limitations":                    ofProduct(limitation),
		"TemplateDto.variables":                      ofProduct(variable),
		"TemplateDto.constrained_variables":          ofProduct(constrained),
		"TemplateDto.software_release_limitation_id": idOf(release, func(c *cell) int64 { return c.w.releaseOf(c.r) }),
		"TemplateDto.software_release_limitation":    one(release, func(c *cell) int64 { return c.w.releaseOf(c.r) }),

		"TemplateFeatureDto.feature_id":                idOf(feature, self),
		"TemplateFeatureDto.feature_name":              name,
		"TemplateLimitationDto.limitation_id":          idOf(limitation, self),
		"TemplateLimitationDto.limitation_name":        name,
		"TemplateLimitationDto.goodwill":               fixed("10.0"),
		"TemplateVariableDto.variable_id":              idOf(variable, self),
		"TemplateVariableDto.variable_name":            name,
		"TemplateConstrainedVariableDto.variable_id":   idOf(constrained, self),
		"TemplateConstrainedVariableDto.variable_name": name,
		"TemplateConstrainedVariableDto.values":        fixed(`["Gold","Ünïcode"]`),
		"ResellerTemplateDto.template_id":              idOf(template, self),
		"ResellerTemplateDto.reseller_id":              idOf(reseller, func(c *cell) int64 { return c.outer.index }),
	}
	for _, m := range []string{"TemplateFeatureDto", "TemplateLimitationDto", "TemplateVariableDto", "TemplateConstrainedVariableDto"} {
		out[m+".template_id"] = around
	}
	return out
}

// nameAt is the name of a row of the editor by its number.
func (w *world) nameAt(k kind, index int64) string {
	r, ok := w.get(k, index)
	if !ok {
		return ""
	}
	return w.nameOf(r)
}

// historyMakers: every change stores the state as JSON in a text (DOC). The
// names of the actions are not published: 0 is the first, 2 the end here.
func historyMakers() map[string]maker {
	return map[string]maker{
		"HistoryDto.action": fixedBySlot,
		"HistoryDto.new_value": func(dst []byte, c *cell) []byte {
			if c.depth > 0 {
				return append(dst, null...)
			}
			return c.w.state(dst, c.r)
		},
	}
}

func fixedBySlot(dst []byte, c *cell) []byte {
	p := c.w.above(c.r)
	switch slot := c.r.index % c.r.t.slots; {
	case slot == 0:
		return append(dst, '0')
	case p.change != nil && p.change.gone != never && slot == c.w.slotsOf(c.r.t, p)-1:
		return append(dst, '2')
	}
	return append(dst, '1')
}

// state is what a history keeps of its row: the object as it was, in a text; null
// for its end.
func (w *world) state(dst []byte, r row) []byte {
	p := w.above(r)
	slot, base := r.index%r.t.slots, w.base(r.t, p)
	if slot >= base+int64(p.rev()) {
		return append(dst, null...)
	}
	past := p
	past.modified = r.created
	if slot == 0 {
		past.modified = never
	}
	if p.change != nil {
		c := *p.change
		c.touches = c.touches[:max(slot-base+1, 0)]
		if slot < base {
			c.patch = nil
		}
		past.change = &c
	}
	return rows.AppendText(dst, string(w.object(nil, p.t.model, past, row{}, 0, 2, &look{now: r.created})))
}
