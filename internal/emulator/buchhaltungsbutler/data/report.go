package data

import (
	"maps"
	"slices"
	"strconv"
)

// Period is what a report is about.
type Period struct {
	From, To int64 // days since 1970, both included
	Base     string
}

// The kinds of reports, as paths name them.
const (
	Sums = "sums"
	BWA  = "bwa"
)

// ReadPeriod reads the body by which a report is made.
func ReadPeriod(kind string, p Params) (Period, *Error) {
	from, to, err := p.period("date_from", "date_to", 6, 7, true)
	if err != nil {
		return Period{}, err
	}
	known := []string{"date_from", "date_to"}
	v := Period{From: from, To: to, Base: byDate}
	if kind == Sums {
		if v.Base, err = p.base(8); err != nil {
			return Period{}, err
		}
		for k, name := range []string{"file_pdf", "file_csv", "archive_export"} {
			if _, ok := p.yes(name); !ok {
				return Period{}, invalid([]int{9, 10, 13}[k], name)
			}
		}
		known = append(known, "base", "file_pdf", "file_csv", "archive_export")
	}
	return v, strange(p, known)
}

// ReadReport reads the body by which a report is fetched.
func ReadReport(p Params) (id int64, err *Error) {
	id, given, ok := p.integer("report_id_by_customer")
	if !ok || !given {
		return 0, invalid(6, "report_id_by_customer")
	}
	if _, ok := p.yes("get_files"); !ok {
		return 0, invalid(9, "get_files")
	}
	return id, strange(p, []string{"report_id_by_customer", "get_files"})
}

// total is what an account has moved, in cents.
type total struct {
	beforeDebit, beforeCredit, debit, credit int64
}

// counted is a report before it is written: only confirmed postings count (DOC).
type counted struct {
	totals   map[int64]*total
	numbers  []int64
	postings int64
}

func (c *Company) count(v Period) counted {
	out := counted{totals: make(map[int64]*total)}
	c.eachLine(v.Base == byDeliveryDate, func(number int64, l line) {
		if l.day > v.To {
			return
		}
		t := out.totals[number]
		if t == nil {
			t = &total{}
			out.totals[number] = t
		}
		switch before := l.day < v.From; {
		case before && l.debit:
			t.beforeDebit += l.cents
		case before:
			t.beforeCredit += l.cents
		case l.debit:
			t.debit += l.cents
			out.postings++
		default:
			t.credit += l.cents
		}
	})
	out.numbers = slices.Sorted(maps.Keys(out.totals))
	return out
}

func euro(cents int64) float64 { return float64(cents) / 100 }

// Report makes a report as it stands now: the object under report.
func (c *Company) Report(kind string, v Period) []byte {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t := c.count(v)
	w := writer{}
	w.open()
	w.raw("integrityError", "false")
	w.text("standardChart", chartName)
	w.number("postingsRecordsCount", t.postings)
	w.number("uncompletedPostingsCount", c.uncompleted())
	w.name("usedPostingaccountsNumbers")
	w.b = append(w.b, '[')
	for k, n := range t.numbers {
		if k > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, itoa(n)...)
	}
	w.b = append(w.b, ']')
	w.raw("usedCostLocations", "[]")
	switch {
	case kind == BWA:
		c.writeBWA(&w, t)
	case len(t.numbers) == 0 || c.opts.Empty("report_sums"):
		w.raw("sums", "[]") // an empty list of PHP
	default:
		w.name("sums")
		w.open()
		for _, n := range t.numbers {
			w.name(itoa(n))
			w.open()
			c.writeSum(&w, n, *t.totals[n])
			w.done()
		}
		w.done()
	}
	w.done()
	return w.b
}

// writeSum writes the members of an account in the sums; amounts are numbers.
func (c *Company) writeSum(w *writer, number int64, t total) {
	a, found := c.findAccount(number)
	if !found {
		a = account{number, "Konto " + itoa(number), "postingaccount", "default", 0}
	}
	w.name("postingaccount")
	w.open()
	w.text("name", a.name)
	w.either("postingaccount_number", number, number%3 == 0) // CLIENT: text or number
	w.text("class", itoa(number)[:1])
	w.text("type", a.kind)
	w.done()
	balance := func(when string, debit, credit int64) {
		w.amount(when+"Debit", euro(debit))
		w.amount(when+"Credit", euro(credit))
		w.amount(when+"Absolute", euro(max(debit-credit, credit-debit)))
		w.text(when+"Side", sideOf(float64(debit-credit)))
	}
	balance("balanceBefore", t.beforeDebit, t.beforeCredit)
	w.amount("sumPeriodDebit", euro(t.debit))
	w.amount("sumPeriodCredit", euro(t.credit))
	balance("balanceAfter", t.beforeDebit+t.debit, t.beforeCredit+t.credit)
}

// node is a group or a class of the BWA.
type node struct {
	key, name string
	classes   []node
	accounts  func(number int64) bool
	earning   bool
}

// scheme is a small BWA: what the real one holds besides is unknown.
var scheme = []node{
	{"revenue", "Umsatzerlöse", []node{
		{"sales", "Erlöse", nil, func(n int64) bool { return n >= 8000 && n < 9000 }, true},
		{"inventoryChanges", "Bestandsveränderungen", nil, func(n int64) bool { return n >= 8960 && n < 8990 }, true},
	}, nil, true},
	{"materials", "Material/Wareneinkauf", []node{
		{"purchases", "Wareneingang", nil, func(n int64) bool { return n >= 3000 && n < 4000 }, false},
	}, nil, false},
	{"costs", "Kosten", []node{
		{"personnel", "Personalkosten", nil, func(n int64) bool { return n >= 4100 && n < 4200 }, false},
		{"premises", "Raumkosten", nil, func(n int64) bool { return n >= 4200 && n < 4300 }, false},
		{"vehicles", "Kfz-Kosten", nil, func(n int64) bool { return n >= 4500 && n < 4600 }, false},
		{"travel", "Reisekosten & Bewirtung", nil, func(n int64) bool { return n >= 4650 && n < 4700 }, false},
		{"depreciation", "Abschreibungen", nil, func(n int64) bool { return n >= 4800 && n < 4900 }, false},
		{"other", "Sonstige Kosten", nil, func(n int64) bool { return n >= 4900 && n < 5000 }, false},
	}, nil, false},
}

// result is one line of a flattened BWA.
type result struct {
	level, group, class, number, name, after string
	cents                                    int64
	empty                                    bool
}

// flatten works the BWA out, groups first, classes and accounts below them.
func (c *Company) flatten(t counted) []result {
	var out []result
	var profit int64
	nothing := true
	for _, g := range scheme {
		at := len(out)
		out = append(out, result{level: "group", group: g.key, name: g.name, empty: true})
		for _, k := range g.classes {
			place := len(out)
			out = append(out, result{level: "class", group: g.key, class: k.key, name: k.name, empty: true})
			for _, n := range t.numbers {
				sum := t.totals[n].credit - t.totals[n].debit
				if !k.accounts(n) || t.totals[n].credit+t.totals[n].debit == 0 {
					continue
				}
				profit += sum
				if !k.earning {
					sum = -sum
				}
				name := "Konto " + itoa(n)
				if a, ok := c.findAccount(n); ok {
					name = a.name
				}
				out = append(out, result{level: "account", group: g.key, class: k.key, number: itoa(n), name: name, cents: sum})
				out[place].cents += sum
				out[place].empty, out[at].empty, nothing = false, false, false
			}
			out[at].cents += out[place].cents
		}
	}
	return append(out, result{
		level: "total", group: "operatingResult", name: "Betriebsergebnis", after: "costs", cents: profit, empty: nothing,
	})
}

// writeBWA writes groups and totals: postingaccounts is an object by number
// when there are any and [] when there are none (CLIENT: PHP).
func (c *Company) writeBWA(w *writer, t counted) {
	list := c.flatten(t)
	if c.opts.Empty("report_bwa") {
		list = nil
	}
	if len(list) == 0 {
		w.raw("groups", "[]")
		w.raw("totals", "[]")
		return
	}
	head := func(kind string, r result) {
		key := r.group
		if kind == "class" {
			key = r.class
		}
		w.text(kind+"Name", key)
		w.text(kind+"DisplayName", r.name)
	}
	of := func(level, group, class string) []result {
		return slices.DeleteFunc(slices.Clone(list), func(r result) bool {
			return r.level != level || group != "" && r.group != group || class != "" && r.class != class
		})
	}
	w.name("groups")
	w.open()
	for _, g := range of("group", "", "") {
		w.name(g.group)
		w.open()
		head("group", g)
		w.amount("amountsSum", euro(g.cents))
		w.raw("empty", strconv.FormatBool(g.empty))
		w.name("classes")
		w.open()
		for _, k := range of("class", g.group, "") {
			w.name(k.class)
			w.open()
			head("class", k)
			w.amount("amountsSum", euro(k.cents))
			w.raw("empty", strconv.FormatBool(k.empty))
			c.writeAccounts(w, of("account", g.group, k.class))
			w.done()
		}
		w.done()
		w.done()
	}
	w.done()
	w.name("totals")
	w.open()
	for _, r := range of("total", "", "") {
		w.name(r.group)
		w.open()
		head("total", r)
		w.text("after", r.after)
		w.amount("amountsSum", euro(r.cents))
		w.raw("empty", strconv.FormatBool(r.empty))
		w.done()
	}
	w.done()
}

// writeAccounts writes the accounts of a class. GUESS: their members.
func (*Company) writeAccounts(w *writer, list []result) {
	if len(list) == 0 {
		w.raw("postingaccounts", "[]")
		return
	}
	w.name("postingaccounts")
	w.open()
	for _, r := range list {
		w.name(r.number)
		w.open()
		w.text("postingaccount_number", r.number)
		w.text("name", r.name)
		w.amount("amountsSum", euro(r.cents))
		w.done()
	}
	w.done()
}
