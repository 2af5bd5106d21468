package saasoptics

import (
	"fmt"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Where the instants of the rows lie. They are constants, so that the same
// seed gives the same data on any day.
var (
	firstModified = time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	lastModified  = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	firstCreated  = time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
)

// The clocks of a stream. Rows are created in order of their ids and before
// any was modified.
const (
	modified = 0 // or auditentry.modified of invoices, created of sales orders, deleted of deletions
	created  = 1
	audit    = 2 // auditentry.modified of transactions: near modified, in another order
)

// nullEntry is the number of the invoice whose auditentry is null.
const nullEntry = 3

// run is how many rows follow each other before a hole: the ids that are in
// the list of deletions from the start are the holes.
const run = 20

// definition is a stream before it is opened.
type definition struct {
	name, path string
	fields     string
	first      int64 // the smallest id
	size       int   // rows, if their number does not grow with the records asked for
	clocks     int
	columns    map[string]int   // instants that filters and sort know, and their clocks
	sortable   map[string]int   // those that only sort knows
	refs       map[string]int64 // equality filters: how many rows of this stream share one of the other
	of         map[string]string
	touch      []int  // the clocks a change moves; nil for streams that do not change
	deletions  string // the stream that lists what was deleted here
	variants   int
}

// columns of the two usual forms. CLIENT: which filters a stream takes; a
// filter on a column it lacks is an unknown parameter and ignored (GUESS).
var (
	modifiedOnly = map[string]int{"modified": modified}
	withCreated  = map[string]int{"modified": modified, "created": created}
)

// definitions are the streams in the order of the product page. CLIENT: paths;
// filter columns of customers, contracts, items, registers, revenue_entries,
// invoices and payments; transactions take modified too (FORK-S). GUESS: which
// streams but contracts and revenue_entries have equality filters.
var definitions = []definition{
	{
		name: "customers", path: "customers", fields: customersFields, first: 5001, clocks: 2,
		columns: map[string]int{"modified": modified, "auditentry__modified": modified, "auditentry__created": created},
		touch:   []int{modified}, deletions: "deleted_customers",
	},
	{
		name: "contracts", path: "contracts", fields: contractsFields, first: 40001, clocks: 2,
		columns: withCreated, touch: []int{modified}, deletions: "deleted_contracts",
		refs: map[string]int64{"customer": 3}, of: map[string]string{"customer": "customers"},
	},
	{
		name: "invoices", path: "invoices", fields: invoicesFields, first: 90001, clocks: 2,
		columns: map[string]int{"auditentry__modified": modified, "auditentry__created": created},
		touch:   []int{modified}, deletions: "deleted_invoices",
		refs: map[string]int64{"contract": 2}, of: map[string]string{"contract": "contracts"},
	},
	{
		name: "items", path: "items", fields: itemsFields, first: 81, clocks: 1,
		columns: modifiedOnly, touch: []int{modified},
	},
	{
		name: "transactions", path: "transactions", fields: transactionsFields, first: 60001, clocks: 3,
		columns: map[string]int{
			"modified": modified, "auditentry__modified": audit, "auditentry__created": created,
		},
		sortable: map[string]int{"start_date": created}, // CLIENT: sort=start_date
		touch:    []int{modified, audit}, deletions: "deleted_transactions",
		refs: map[string]int64{"contract": 2}, of: map[string]string{"contract": "contracts"},
	},
	{name: "billing_descriptions", path: "billing_descriptions", fields: billingDescriptionsFields, first: 1, size: 4},
	{name: "accounts", path: "accounts", fields: accountsFields, first: 1, size: 24},
	{name: "auto_renewal_profiles", path: "auto_renewal_profiles", fields: autoRenewalProfilesFields, first: 1, size: 5},
	{name: "billing_methods", path: "billing_methods", fields: billingMethodsFields, first: 1, size: 8},
	{name: "country_codes", path: "country_codes", fields: countryCodesFields, first: 1, size: len(countries), variants: 1},
	{name: "currency_codes", path: "currency_codes", fields: currencyCodesFields, first: 1, size: len(currencies), variants: 1},
	{name: "payment_terms", path: "payment_terms", fields: paymentTermsFields, first: 1, size: 9},
	{
		name: "registers", path: "registers", fields: registersFields, first: 1, size: 3, clocks: 1,
		columns: modifiedOnly, touch: []int{modified},
	},
	{
		name: "revenue_entries", path: "revenue_entries", fields: revenueEntriesFields, first: 7780001, clocks: 1,
		columns: modifiedOnly, touch: []int{modified}, deletions: "deleted_revenue_entries", variants: 1,
		refs: map[string]int64{"transaction": 12, "contract": 24},
		of:   map[string]string{"transaction": "transactions", "contract": "contracts"},
	},
	{name: "revenue_recognition_methods", path: "revenue_recognition_methods", fields: revenueRecognitionMethodsFields, first: 1, size: 6},
	{
		// No filter is known for sales orders: every one is ignored (CLIENT).
		name: "sales_orders", path: "sales_orders", fields: salesOrdersFields, first: 3001, clocks: 1,
		sortable: map[string]int{"created": modified}, touch: []int{}, variants: 24,
	},
	{name: "deleted_contracts", path: "contracts/deleted"},
	{name: "deleted_transactions", path: "transactions/deleted"},
	{name: "deleted_invoices", path: "invoices/deleted"},
	{name: "deleted_revenue_entries", path: "revenue_entries/deleted"},
	{
		name: "payments", path: "payments", fields: paymentsFields, first: 51001, clocks: 2,
		columns: withCreated, touch: []int{modified}, deletions: "deleted_payments",
		refs: map[string]int64{"contract": 2, "customer": 6}, of: map[string]string{"contract": "contracts", "customer": "customers"},
	},
	{name: "deleted_customers", path: "customers/deleted"},
	{name: "deleted_payments", path: "payments/deleted"},
}

// stream is an open stream.
type stream struct {
	definition
	table   *rows.Table
	row     *rows.Template
	nested  *rows.Template // rows as transactions/{id}/revenue_entries/ gives them
	clock   []*rows.Clock
	targets map[string]*rows.Table // of the equality filters
	deleted *stream
	shifted uint64 // rows in a thousand whose date-times have an offset
	seed    uint64
	isLarge bool
}

// open makes the tables first, for streams refer to each other's ids.
func (s *service) open() error {
	for _, d := range definitions {
		st := &stream{definition: d, seed: rows.MixText(s.env.Seed, d.name), isLarge: d.fields != "" && d.size == 0}
		st.shifted = uint64(1000 * s.env.Share("offset-times", d.name, 0.25))
		if st.variants == 0 {
			st.variants = 64
		}
		s.streams = append(s.streams, st)
		s.byName[d.name], s.byPath[d.path] = st, st
		if d.fields != "" {
			st.layOut(s.size(d))
		}
	}
	for _, st := range s.streams {
		if st.deletions == "" {
			continue
		}
		st.deleted = s.byName[st.deletions]
		d := st.deleted
		d.fields, d.clocks, d.sortable = deletedFields, 1, map[string]int{"deleted": modified}
		n := st.table.Size() / run
		if s.size(d.definition) == 0 {
			n = 0
		}
		d.clock = []*rows.Clock{d.spread(n, 0)}
		d.table = rows.NewTable(st.table.IDs().Holes(), n, d.clock, nil)
	}
	for _, st := range s.streams {
		st.targets = make(map[string]*rows.Table)
		for column, name := range st.of {
			st.targets[column] = s.byName[name].table
		}
		if err := st.compile(s); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
	}
	return nil
}

func (s *service) size(d definition) int64 {
	switch {
	case s.env.Share("norows", d.name, 1) > 0:
		return 0
	case d.size > 0:
		return int64(d.size)
	}
	return int64(s.env.Records)
}

func (st *stream) spread(n int64, clock int) *rows.Clock {
	return rows.NewClock(rows.Layout{
		Rows: n, From: firstModified, To: lastModified, Coarse: st.seed, Fine: rows.Mix(st.seed, uint64(clock)),
	})
}

// layOut makes the table of n rows, some of them without an instant: one row
// of each large stream has modified null; invoices also have one with
// auditentry null and some without the key.
func (st *stream) layOut(n int64) {
	for k := range st.clocks {
		if k == created {
			st.clock = append(st.clock, rows.NewClock(rows.Layout{
				Rows: n, From: firstCreated, To: firstModified, Fine: rows.Mix(st.seed, created), InOrder: true,
			}))
			continue
		}
		st.clock = append(st.clock, st.spread(n, k))
	}
	blanks := make([][]int64, st.clocks)
	ids := rows.IDs{First: st.first, Stride: 1}
	if st.isLarge {
		ids.Run = run
		if n >= 10 {
			blanks[modified] = []int64{n / 2}
		}
	}
	if st.name == "invoices" && n >= 10 {
		missing := []int64{nullEntry}
		for i := int64(7); i < n; i += max(50, n/200) {
			if i != n/2 {
				missing = append(missing, i)
			}
		}
		blanks[created] = missing
		blanks[modified] = ascending(missing, n/2)
	}
	st.table = rows.NewTable(ids, n, st.clock, blanks)
}

// ascending adds x to an ascending list.
func ascending(list []int64, x int64) []int64 {
	out := make([]int64, 0, len(list)+1)
	for k, v := range list {
		if v > x {
			return append(append(out, x), list[k:]...)
		}
		out = append(out, v)
	}
	return append(out, x)
}
