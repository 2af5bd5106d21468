package slascone

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// kind is a table; it is part of the ids of its rows.
type kind uint8

const (
	none kind = iota
	product
	template
	customer
	license
	licenseType
	customerType
	resellerType
	reseller
	bundle
	customList
	userMail
	feature
	limitation
	variable
	constrained
	analyticalField
	usageFeature
	usageModule
	release
	shipmentProperty
	mail
	shipment
	contact
	resellerContact
	user
	group
	assignment
	session
	consumption
	productHistory
	templateHistory
	licenseHistory
	bundleHistory
	loose // ids of what no table holds
)

// table holds the rows of one kind. Those of a root are numbered from 0; those
// of a child lie in slots, so many for each parent.
type table struct {
	kind    kind
	name    string // the stream that lists it
	model   string
	roots   *rows.Table
	parent  *table
	slots   int64
	count   func(parent int64) int64
	mortal  bool // rows are deleted as well as added
	history bool
}

// world is the account. Rows follow from the seed; what is stored is what was
// changed. A reader holds mu while it looks at rows.
type world struct {
	seed   uint64
	start  ticks // midnight before the sandbox was opened: computed rows lie before it
	models map[string]*model
	tables []*table // parents first
	byKind [loose]*table

	products, customers, licenses int64 // computed ones

	mu      sync.RWMutex
	changes map[place]*change
	added   map[place][]int64 // rows added below a parent
	shrunk  map[place]bool    // child tables of a parent that have lost rows
	serial  int64
	turn    uint64
	numbers map[string]int64 // customers by a number that a write gave
	legacy  map[string]int64 // licenses by a legacy key that a write gave
}

// place is a row, or with the kind of a child what lies below it.
type place struct {
	kind  kind
	index int64
	below kind
}

// change is what became of a row.
type change struct {
	touches []ticks
	created ticks // of an added row
	gone    ticks // never: it lives
	parent  int64 // of an added child; of an added license its customer
	product int64 // of an added license, with its edition
	edition int64
	event   ticks // when an added heartbeat happened
	value   int64 // of an added heartbeat, in thousandths
	tx      int64 // its transaction
	by      string
	tags    []int64
	reverse bool // a heartbeat that takes another one back
	patch   map[string]json.RawMessage
}

// firstAdded is the number of the first added child.
const firstAdded = 1 << 50

// The sizes of the computed tables: licenses and customers are the large ones.
func newWorld(records int, seed uint64, now time.Time) (*world, error) {
	w := &world{seed: rows.Mix(seed, 0x5a), start: ticksOf(now.UTC().Truncate(24 * time.Hour))}
	var err error
	if w.models, err = models(); err != nil {
		return nil, err
	}
	n := int64(records)
	w.products, w.customers, w.licenses = min(20, 2+n/50), n, n
	w.root(product, "products", "ProductDto", w.products, false)
	w.root(template, "templates", "TemplateDto", 2*w.products, false)
	w.root(customerType, "customer_types", "CustomerTypeDto", 4, false)
	w.root(licenseType, "license_types", "LicenseTypeDto", 5, false)
	w.root(resellerType, "reseller_types", "ResellerTypeDto", 3, false)
	w.root(customList, "custom_lists", "CustomListDto", 4, false)
	w.root(userMail, "user_email_templates", "UserEmailTemplateDto", 5, true)
	w.root(reseller, "resellers", "ResellerDto", min(50, 3+n/100), false)
	w.root(customer, "customers", "CustomerDto", n, true)
	w.root(license, "licenses", "LicenseDto", n, true)
	w.root(bundle, "license_bundles", "LicenseBundleDto", min(500, 2+n/25), true)

	upTo := func(from, more int64) func(int64) int64 {
		return func(p int64) int64 { return from + p%(more+1) }
	}
	w.child(feature, "product_features", "FeatureDto", product, 8, upTo(4, 2))
	w.child(limitation, "product_limitations", "LimitationDto", product, 8, upTo(3, 1))
	w.child(variable, "product_variables", "VariableDto", product, 8, upTo(2, 1))
	w.child(constrained, "product_constrained_variables", "ConstrainedVariableDto", product, 8, upTo(1, 1))
	w.child(analyticalField, "product_analytical_fields", "AnalyticalFieldDto", product, 8, upTo(3, 0))
	w.child(usageFeature, "product_usage_features", "UsageFeatureDto", product, 8, upTo(2, 1))
	w.child(usageModule, "product_usage_modules", "UsageModuleDto", product, 8, func(p int64) int64 { return 2 - p%4/3*2 })
	w.child(release, "software_release_limitations", "SoftwareReleaseLimitationDto", product, 8, upTo(3, 0))
	w.child(shipmentProperty, "software_shipment_properties", "ProductSoftwareShipmentPropertyDto", product, 8, upTo(2, 0))
	w.child(mail, "product_email_templates", "EmailTemplateDto", product, 8, upTo(2, 1))
	w.child(shipment, "software_shipments", "SoftwareShipmentDto", release, 4, func(p int64) int64 { return 2 - p%3/2*2 })
	w.child(contact, "customer_contacts", "CustomerContactDto", customer, 4, upTo(0, 3))
	w.child(resellerContact, "reseller_contacts", "ResellerContactDto", reseller, 4, upTo(1, 1))
	w.child(user, "license_users", "LicenseUserDto", license, 8, usersOf)
	w.child(group, "license_user_groups", "LicenseUserGroupDto", license, 4, groupsOf)
	w.child(assignment, "license_assignments", "DeviceLicenseAssignmentDto", license, 64, assignmentsOf)
	w.child(session, "license_open_sessions", "SessionDto", license, 4, sessionsOf)
	w.child(consumption, "consumption_heartbeats", "ConsumptionHeartbeatDto", license, 64, w.consumptionOf)
	for _, h := range []struct {
		kind   kind
		name   string
		parent kind
	}{
		{productHistory, "product_history", product},
		{templateHistory, "template_history", template},
		{licenseHistory, "license_history", license},
		{bundleHistory, "license_bundle_history", bundle},
	} {
		w.child(h.kind, h.name, "HistoryDto", h.parent, 1<<20, upTo(1, 3)).history = true
	}
	w.reset()
	return w, nil
}

// root makes a table of n computed rows. They were created between three years
// and one year before the start, and last changed in the year before it.
func (w *world) root(k kind, name, model string, n int64, mortal bool) {
	seed := rows.Mix(w.seed, uint64(k))
	from := w.start.time()
	clock := func(first, last int, fine uint64) *rows.Clock {
		return rows.NewClock(rows.Layout{
			Rows: n, From: from.AddDate(0, 0, -first), To: from.AddDate(0, 0, -last), Coarse: seed, Fine: rows.Mix(seed, fine),
		})
	}
	t := &table{kind: k, name: name, model: model, mortal: mortal}
	t.roots = rows.NewTable(rows.IDs{Stride: 1}, n, []*rows.Clock{clock(1095, 365, 1), clock(364, 1, 2)}, nil)
	w.tables, w.byKind[k] = append(w.tables, t), t
}

func (w *world) child(k kind, name, model string, parent kind, slots int64, count func(int64) int64) *table {
	mortal := slices.Contains([]kind{contact, resellerContact, user, assignment, session, consumption}, k)
	t := &table{kind: k, name: name, model: model, parent: w.byKind[parent], slots: slots, count: count, mortal: mortal}
	w.tables, w.byKind[k] = append(w.tables, t), t
	return t
}

// What licenses have hangs on their number, so that a few of them have all there
// is: every third is floating, every fourth has users, two of five consume.

func floating(l int64) bool { return l%3 == 1 }
func named(l int64) bool    { return l%4 == 2 }
func consumes(l int64) bool { return l%5 < 2 }

func usersOf(l int64) int64 {
	if !named(l) {
		return 0
	}
	return 1 + l/4%3
}

func groupsOf(l int64) int64 {
	if l%8 != 2 {
		return 0
	}
	return 1 + l/8%2
}

// manyTokens is the license that has more assignments than a page of them.
const manyTokens = 4

func assignmentsOf(l int64) int64 {
	if l == manyTokens {
		return 60
	}
	return 1 + l%3
}

func sessionsOf(l int64) int64 { return [9]int64{1: 2, 4: 1}[l%9] }

func (w *world) consumptionOf(l int64) int64 {
	switch {
	case !consumes(l):
		return 0
	case l == 0:
		return 40
	}
	return 3 + int64(rows.Mix(w.seed^0xc0, uint64(l))%12)
}

func (w *world) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes, w.added = make(map[place]*change), make(map[place][]int64)
	w.shrunk = make(map[place]bool)
	w.numbers, w.legacy = make(map[string]int64), make(map[string]int64)
	w.serial, w.turn = 0, 0
	for _, t := range w.tables {
		if t.roots != nil {
			t.roots.Reset()
		}
	}
	// One transaction was rolled back before anybody looked.
	if w.licenses > 0 {
		w.roll(w.byKind[consumption].at(0, rolledBack), w.start-36*hour)
	}
}

// rolledBack is the slot of the heartbeat of the first license that was undone.
const rolledBack = 2

// at is the number of a slot.
func (t *table) at(parent, slot int64) int64 { return parent*t.slots + slot }

// live counts the rows of a table.
func (w *world) live(t *table) int64 {
	if t.roots != nil {
		return t.roots.Live()
	}
	var n int64
	for p := range w.all(t.parent) {
		if t.kind == consumption {
			n += int64(len(w.beatsOf(p, false)))
			continue
		}
		n += int64(len(w.children(t, p)))
	}
	return n
}

// tableOf tells whether an object shows the rows of a table.
func (w *world) tableOf(model string) bool {
	return slices.ContainsFunc(w.tables, func(t *table) bool { return t.model == model })
}
