package slascone

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// single answers one row.
func single(k kind) func(c *call) *reply {
	return func(c *call) *reply {
		r := c.parent(k)
		a := good(c.w.object(nil, r.t.model, r, row{}, 0, 0, &c.look))
		a.rows = 1
		return a
	}
}

// detail answers all lists of a product in one object (DOC).
func detail(c *call) *reply {
	p := c.parent(product)
	dst := []byte{'{'}
	n := 0
	for k, name := range detailed {
		if k > 0 {
			dst = append(dst, ',')
		}
		v := streams[name]
		dst = append(rows.AppendText(dst, strings.TrimPrefix(name, "product_")), ':')
		if c.s.on("detail-null", name) { // DOC: they may be
			dst = append(dst, null...)
			continue
		}
		dst = append(dst, '[')
		l := c.s.lookOf(name)
		items := c.s.items(v, p, &l)
		if c.s.on("noright", name) {
			items = nil // a right that is missing does not open here (GUESS)
		}
		for i, it := range items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = c.w.render(dst, v, it, &l)
		}
		dst = append(dst, ']')
		n += len(items)
	}
	a := good(append(dst, '}'))
	a.rows = n
	a.page = emulator.Page{Resource: c.e.resource, Number: 1, Count: int64(n), Query: c.query}
	return a
}

// count answers a bare number. The specification declares an array of objects
// (DOC), which cannot be meant (GUESS).
func count(k kind) func(c *call) *reply {
	return func(c *call) *reply { return good(strconv.AppendInt(nil, c.w.byKind[k].roots.Live(), 10)) }
}

// customerBy finds a live customer by its number.
func (w *world) customerBy(number string) (row, bool) {
	index, ok := w.numbers[number]
	if !ok {
		n, err := strconv.ParseInt(strings.TrimPrefix(number, "K"), 10, 64)
		if err != nil || n < 1 || number != numberOf(n-1) {
			return row{}, false
		}
		index = n - 1
	}
	r, live := w.get(customer, index)
	return r, live && w.shown(r, "customer_number") == number
}

func byNumber(c *call) *reply {
	number := c.query.Get("customer_number")
	if len(c.texts) > 0 {
		number = c.texts[0]
	}
	r, ok := c.w.customerBy(number)
	if !ok {
		return refused(emulator.Answer{Status: http.StatusNoContent})
	}
	return good(c.w.object(nil, "CustomerDto", r, row{}, 0, 0, &c.look))
}

// lookupCustomer answers a bare uuid, or 204 (DOC).
func lookupCustomer(c *call) *reply {
	r, ok := c.w.customerBy(c.text("customer_number"))
	if !ok {
		return refused(emulator.Answer{Status: http.StatusNoContent})
	}
	return good(rows.AppendText(nil, c.w.keyOf(r)))
}

// text is a text of the body.
func (c *call) text(name string) string {
	var out string
	if json.Unmarshal(c.body[name], &out) != nil {
		return ""
	}
	return out
}

// licenseBy finds a license by its id, which is its key (CLIENT), or by its
// legacy key.
func (w *world) licenseBy(key string) (row, bool) {
	if u, ok := readUUID(key); ok {
		k, index, known := w.locate(u)
		if !known || k != license {
			return row{}, false
		}
		return w.get(license, index)
	}
	index, ok := w.legacy[key]
	if !ok {
		n, err := strconv.ParseInt(strings.TrimPrefix(key, "OLD-"), 10, 64)
		if err != nil || n >= w.licenses {
			return row{}, false
		}
		index = n
	}
	r, live := w.get(license, index)
	return r, live && w.shown(r, "legacy_license_key") == key
}

func byLicense(c *call) *reply {
	r, ok := c.w.licenseBy(c.text("license_key"))
	if !ok {
		return refused(conflict(1000, "License key is not valid."))
	}
	return c.listOf(streams["licenses"], []item{{r: r}}, emulator.Page{Resource: "licenses/lookup", Number: 1, Count: 1})
}

// floatingCount answers a bare number (DOC).
func floatingCount(c *call) *reply {
	p := c.parent(license)
	if a := c.conflicting(p); a != nil {
		return refused(*a)
	}
	a := good(strconv.AppendInt(nil, int64(len(c.w.below(session, p))), 10))
	a.rows = 1
	return a
}

// seats answers a bare number (DOC): the tokens of all licenses, or of those of a
// product. The camelCase lists are read, and change nothing here (GUESS).
func seats(c *call) *reply {
	of := int64(-1)
	if text := c.query.Get("product_id"); text != "" {
		u, ok := readUUID(text)
		k, index, known := c.w.locate(u)
		if !ok {
			return refused(problem(http.StatusBadRequest, "The value '"+text+"' is not valid."))
		}
		if _, live := c.w.get(product, index); !known || k != product || !live {
			return refused(c.s.missing(product, c.e.resource))
		}
		of = index
	}
	a := good(strconv.AppendInt(nil, c.w.seats(of), 10))
	a.rows = 1
	return a
}

func (w *world) seats(of int64) int64 {
	var sum int64
	for r := range w.all(w.byKind[license]) {
		if of < 0 || w.productOf(r) == of {
			sum += tokenLimit(r)
		}
	}
	return sum
}

// licenseInfo answers one object, and sends a heartbeat if it is asked to (DOC).
func licenseInfo(c *call) *reply {
	if strings.EqualFold(c.query.Get("forceSendHeartbeat"), "true") {
		c.s.sideEffects.Add(1)
	}
	a := good(c.s.info(nil, &c.look))
	a.rows = 1
	a.page = emulator.Page{Resource: c.e.resource, Number: 1, Count: 1, Query: c.query, IDs: []emulator.ID{ISV}}
	return a
}

func (s *Service) info(dst []byte, l *look) []byte {
	w := s.world
	r := row{t: w.byKind[license], index: perpetual, parent: -1, created: w.start - 500*day, modified: never}
	return w.object(dst, "SlasconeLicenseInfoDto", r, row{}, 0, 0, l)
}

// sideEffect answers a GET that does something (DOC): a tap must never ask it.
func sideEffect(c *call) *reply {
	c.s.sideEffects.Add(1)
	return good([]byte(`"done"`))
}

// secretOf answers a read that holds a secret (DOC).
func secretOf(body string) func(c *call) *reply {
	return func(c *call) *reply {
		c.s.secrets.Add(1)
		return good([]byte(body))
	}
}

// assignedPage is how many assignments come without page parameters, by the
// switch assignments-paged.
const assignedPage = 25

// assignments answers the tokens of a license, paged if it is asked so (DOC).
func assignments(c *call) *reply {
	p := c.parent(license)
	if a := c.conflicting(p); a != nil {
		return refused(*a)
	}
	size, sized, fine := c.numberParam("page_size")
	page, paged, also := c.numberParam("page")
	option, _, right := c.numberParam("sort_option")
	if !fine || !also || !right || sized && size < 1 || page < 0 || option < 0 || option > 3 {
		return refused(problem(http.StatusBadRequest, "The paging is not valid."))
	}
	c.look.analytics = strings.EqualFold(c.query.Get("include_analytical_heartbeats"), "true")
	items := c.s.items(streams["license_assignments"], p, &c.look)
	for name, member := range map[string]string{"operating_systems": "operating_system", "version_number": "software_version"} {
		if wanted := c.query[name]; wanted != nil {
			items = slices.DeleteFunc(items, func(it item) bool { return !slices.Contains(wanted, c.w.shown(it.r, member)) })
		}
	}
	if strings.EqualFold(c.query.Get("descending"), "true") {
		slices.Reverse(items)
	}
	v, all := streams["license_assignments"], int64(len(items))
	if !sized && !paged && c.s.on("assignments-paged", v.name) || paged && !sized {
		sized, size = true, assignedPage
	}
	number := int64(1)
	if sized {
		var offset int64
		var bad *emulator.Answer
		if offset, number, size, bad = c.s.place(v.name, page, paged, size); bad != nil {
			return refused(*bad)
		}
		from := min(offset, all)
		items = items[from:min(from+size, all)]
	}
	return c.listOf(v, items, emulator.Page{Resource: v.name, Number: number, Count: all, Query: c.query})
}

// consumptions answers the consumption of a license, within dates if it is asked
// so: the only filter by date that the API has (DOC).
func consumptions(c *call) *reply {
	p := c.parent(license)
	if a := c.conflicting(p); a != nil {
		return refused(*a)
	}
	bounds := map[string]ticks{"date_from": never, "date_to": forever}
	for name := range bounds {
		if text := c.query.Get(name); text != "" {
			at, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return refused(problem(http.StatusBadRequest, "The value '"+text+"' is not valid for "+name+"."))
			}
			bounds[name] = ticksOf(at)
		}
	}
	v := streams["consumption_heartbeats"]
	byEvent := c.s.on("filter-by-event", v.name)
	fromOut, toOut := c.s.on("from-exclusive", v.name), c.s.on("to-exclusive", v.name)
	if byEvent {
		c.look.arrival = true
	}
	var sum int64
	dst := []byte(`{"consumption_heartbeats":[`)
	page, most := c.whole(v, 0), c.s.part("consumption-cap", v.name)
	all := c.s.items(v, p, &c.look)
	for _, it := range all {
		b := c.w.beatOf(it.r)
		at := b.shown(&c.look)
		if byEvent {
			at = b.event
		}
		early := at < bounds["date_from"] || fromOut && at == bounds["date_from"]
		late := at > bounds["date_to"] || toOut && at == bounds["date_to"]
		if early || late || !c.asked(it.r, b) {
			continue
		}
		page.Count++
		sum += b.value
		if most > 0 && page.Count > most {
			continue
		}
		if len(page.IDs) > 0 {
			dst = append(dst, ',')
		}
		dst = c.w.render(dst, v, it, &c.look)
		page.IDs = append(page.IDs, c.w.idOfItem(v, it))
	}
	count := page.Count // GUESS: of what the dates leave, as the sample shows (DOC)
	switch {
	case c.s.on("count-all", v.name):
		count = int64(len(all))
	case c.s.on("uncounted", v.name):
		count = 0
	}
	dst = strconv.AppendInt(append(dst, `],"max_count":`...), count, 10)
	dst = appendThousandths(append(dst, `,"aggregate_value":`...), sum)
	a := good(append(dst, '}'))
	a.rows, a.page = len(page.IDs), page
	return a
}

// asked tells whether a heartbeat passes the other filters.
func (c *call) asked(r row, b beat) bool {
	if list := c.query["limitations"]; list != nil && !slices.Contains(list, c.w.id(limitation, b.limitation).String()) {
		return false
	}
	for name, has := range map[string]string{
		"transaction_id": c.w.transaction(b).String(), "client_id": c.w.shown(r, "client_id"), "user_id": c.w.shown(r, "user_id"),
	} {
		if wanted := c.query.Get(name); wanted != "" && wanted != has {
			return false
		}
	}
	return true
}

// transactions are the loose ids that belong to consumption.
const transactions = 1 << 51

// transaction is the id that the sender of a heartbeat was given.
func (w *world) transaction(b beat) uuid { return w.id(loose, transactions|b.tx) }
