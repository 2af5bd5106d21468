package slascone

import (
	"net/http"
	"strings"
	"sync"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

const (
	root    = "/api/v2/isv/"
	unknown = "unknown" // the resource of a path that leads nowhere
	effect  = "side_effect"
	secret  = "secret"
)

// endpoint is a path of the API with a verb.
type endpoint struct {
	verb     string
	parts    []string // below the account; {kind} is an id
	resource string
	both     bool // the provisioning key opens it, too (DOC)
	writes   bool // it makes persistent data: it counts against the limit
	body     body
	params   []string
	serve    func(c *call) *reply
}

// body is what a request carries.
type body int

const (
	noBody body = iota
	objectBody
	arrayBody
	fileBody
)

func (e *endpoint) with(b body) *endpoint {
	e.body = b
	return e
}

// view is a stream: the rows of a table, or what is made of them.
type view struct {
	name, model string
	kind        kind
	parent      kind   // none for a list of its own
	inject      string // the member that a list leaves to its address
	derived     bool
}

var streams = makeStreams()

func makeStreams() map[string]*view {
	out := make(map[string]*view)
	add := func(name, model string, k, parent kind, inject string, derived bool) {
		out[name] = &view{name, model, k, parent, inject, derived}
	}
	add("products", "ProductDto", product, none, "", false)
	for name, of := range map[string]struct {
		model string
		kind  kind
	}{
		"product_features":              {"FeatureDto", feature},
		"product_limitations":           {"LimitationDto", limitation},
		"product_variables":             {"VariableDto", variable},
		"product_constrained_variables": {"ConstrainedVariableDto", constrained},
		"product_analytical_fields":     {"AnalyticalFieldDto", analyticalField},
		"product_usage_features":        {"UsageFeatureDto", usageFeature},
		"product_usage_modules":         {"UsageModuleDto", usageModule},
		"software_release_limitations":  {"SoftwareReleaseLimitationDto", release},
		"software_shipment_properties":  {"ProductSoftwareShipmentPropertyDto", shipmentProperty},
		"product_email_templates":       {"EmailTemplateDto", mail},
	} {
		add(name, of.model, of.kind, product, "", false)
	}
	add("software_shipments", "SoftwareShipmentDto", shipment, release, "", false)
	add("product_history", "HistoryDto", productHistory, product, "product_id", false)
	add("templates", "TemplateDto", template, none, "", false)
	add("template_history", "HistoryDto", templateHistory, template, "template_id", false)
	add("customers", "CustomerDto", customer, none, "", false)
	add("customers_light", "CustomerLightDto", customer, none, "", false)
	add("customer_types", "CustomerTypeDto", customerType, none, "", false)
	add("customer_contacts", "CustomerContactDto", contact, customer, "", false)
	add("customer_tags", "ItemTagAssignmentDto", customer, customer, "customer_id", true)
	add("licenses", "LicenseDto", license, none, "", false)
	add("license_overview", "LicenseTreeDto", license, none, "", false)
	add("license_types", "LicenseTypeDto", licenseType, none, "", false)
	add("license_assignments", "DeviceLicenseAssignmentDto", assignment, license, "", false)
	add("assignment_heartbeats", "DeviceHeartbeatDto", assignment, license, "license_id", true)
	add("analytical_heartbeats", "DeviceAnalyticalHeartbeatDto", assignment, license, "license_id", true)
	add("license_users", "LicenseUserDto", user, license, "", false)
	add("license_user_groups", "LicenseUserGroupDto", group, license, "license_id", false)
	add("license_tags", "ItemTagAssignmentDto", license, license, "license_id", true)
	add("license_history", "HistoryDto", licenseHistory, license, "license_id", false)
	add("license_open_sessions", "SessionDto", session, license, "", false)
	add("consumption_balances", "ConsumptionBalanceDto", limitation, license, "", true)
	add("consumption_heartbeats", "ConsumptionHeartbeatDto", consumption, license, "", false)
	add("license_floating_tokens", "", license, license, "license_id", true)
	add("license_bundles", "LicenseBundleDto", bundle, none, "", false)
	add("license_bundle_history", "HistoryDto", bundleHistory, bundle, "license_bundle_id", false)
	add("resellers", "ResellerDto", reseller, none, "", false)
	add("reseller_types", "ResellerTypeDto", resellerType, none, "", false)
	add("reseller_contacts", "ResellerContactDto", resellerContact, reseller, "", false)
	add("reseller_templates", "ResellerTemplateDto", template, reseller, "", true)
	add("custom_lists", "CustomListDto", customList, none, "", false)
	add("user_email_templates", "UserEmailTemplateDto", userMail, none, "", false)
	add("license_seats", "", product, product, "product_id", true)
	add("slascone_license_info", "SlasconeLicenseInfoDto", none, none, "isv_id", true)
	return out
}

// kindsByName are the ids of paths.
var kindsByName = map[string]kind{
	"{product}": product, "{template}": template, "{customer}": customer, "{license}": license, "{bundle}": bundle,
	"{reseller}": reseller, "{release}": release, "{history}": none, "{contact}": contact, "{agent}": resellerContact, "{list}": customList,
	"{text}": none, "{mail}": userMail, "{assignment}": assignment,
}

// endpoints are all there are.
var endpoints = sync.OnceValue(func() []*endpoint { return append(readEndpoints(), writeEndpoints()...) })

// partsOf are the parts of a path below the account. A slash at its end is none.
func partsOf(rest string) []string { return strings.Split(strings.TrimSuffix(rest, "/"), "/")[1:] }

// find returns the endpoint of a path. Where there is none with the verb, verbs
// are those that it has.
func find(verb, path string) (found *endpoint, verbs []string) {
	rest, ok := strings.CutPrefix(path, root)
	if !ok {
		return nil, nil
	}
	parts := partsOf(rest)
	for _, e := range endpoints() {
		if !e.matches(parts) {
			continue
		}
		if e.verb == verb {
			return e, nil
		}
		verbs = append(verbs, e.verb)
	}
	return nil, verbs
}

// matches compares the parts of a path. Fixed names go first: customers/types is
// no customer.
func (e *endpoint) matches(parts []string) bool {
	if len(parts) != len(e.parts) {
		return false
	}
	for k, p := range e.parts {
		switch {
		case p[0] != '{':
			if !strings.EqualFold(p, parts[k]) {
				return false
			}
		case fixedNames[parts[k]] || parts[k] == "":
			return false
		}
	}
	return true
}

// fixedNames are no ids.
var fixedNames = map[string]bool{
	"types": true, "light": true, "count": true, "by_number": true, "contacts": true, "filtered": true, "email": true, "tags": true,
	"number": true, "licenses": true, "customers": true, "language": true, "purpose": true,
}

// Resource names the stream of a path, whatever the verb. What has no stream is
// below one: products/detail. Reads with an effect, or with a secret in them, are
// side_effect and secret.
func (s *Service) Resource(path string) string {
	rest, ok := strings.CutPrefix(path, root)
	if !ok {
		return unknown
	}
	parts := partsOf(rest)
	for _, e := range endpoints() {
		if e.matches(parts) {
			return e.resource
		}
	}
	return unknown
}

// holder is who asks.
type holder int

const (
	nobody holder = iota
	provisioning
	administrator
)

// whoIs reads the keys. A user with a token may read all that the admin key may
// (DOC: the endpoints name both).
func whoIs(h http.Header) holder {
	switch {
	case h.Get("AdminKey") == AdminKey, h.Get("Authorization") == "Bearer "+BearerToken:
		return administrator
	case h.Get("ProvisioningKey") == ProvisioningKey:
		return provisioning
	}
	return nobody
}

// denied is a 401 or 403: without a body, or by switch with a page of HTML.
func (s *Service) denied(status int, resource string) emulator.Answer {
	if status == http.StatusUnauthorized && s.on("denied-403", resource) {
		status = http.StatusForbidden
	}
	if s.on("denied-html", resource) {
		text := "<html><body><h1>" + http.StatusText(status) + "</h1></body></html>"
		return emulator.Answer{Status: status, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte(text)}
	}
	return emulator.Answer{Status: status}
}
