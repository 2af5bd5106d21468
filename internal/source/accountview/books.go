package accountview

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// books finds a day in each book year of a company, by which it is asked for. Where
// the list of administrations leaves no doubt, nothing is asked; elsewhere the rows
// of some days tell, by their ADM_CODE (DICT), which administration these are in.
type books struct {
	f       stream.Fetcher
	company string
	config  stream.Config
	all     []administration

	known map[string]int   // the years of administrations, where they are sure
	seen  map[string]sight // by day
	heard bool             // some row told its administration
	lost  []missed
	// fresh are administrations without a year and a booking, alien those that are
	// found on no day.
	fresh, alien []string
	mute         []administration // those of which no row tells
}

// sight is what a day shows.
type sight struct {
	code  string // of the administration, "" where its rows do not tell
	looks string // the first row, by which administrations differ; "" for none
	none  bool   // the day is refused
}

const (
	// mostDays bounds how many days are asked for.
	mostDays = 60
	// mostLate is how many years after its end a book year is looked for. GUESS:
	// books are closed by then.
	mostLate = 5
)

// told are the book years as the Config keeps them.
func (b *books) told(ctx context.Context) ([]stream.Param, error) {
	b.known, b.seen = map[string]int{}, map[string]sight{}
	for i := range b.all {
		if a := &b.all[i]; a.told && a.code != "" {
			b.known[a.code] = a.year
		}
	}
	found, err := b.find(ctx)
	if err != nil {
		return nil, err
	}
	var list []year
	if len(b.config.List(keyBookDates)) > 0 {
		if list, err = b.dated(ctx); err != nil {
			return nil, err
		}
		b.lost = nil // they are not wanted
	} else {
		b.warn(ctx)
		list = slices.DeleteFunc(slices.Clone(found), func(y year) bool { return !b.wanted(y.number) })
	}
	codes, err := json.Marshal(b.known)
	if err != nil {
		return nil, err
	}
	lost, err := json.Marshal(b.lost)
	if err != nil {
		return nil, err
	}
	out := []stream.Param{
		{Name: keyYears, Value: encode(list)}, {Name: keyCodes, Value: string(codes)}, {Name: keyLost, Value: string(lost)},
	}
	if len(found) > 0 {
		out = append(out, stream.Param{Name: keyNewest, Value: found[len(found)-1].day})
	}
	if why := b.nothing(); len(list) == 0 && why != "" {
		out = append(out, stream.Param{Name: keyUntold, Value: why})
	}
	return out, nil
}

// nothing tells why there is no book year, "" where there need be none.
func (b *books) nothing() string {
	var words []string
	for _, m := range b.lost {
		words = append(words, m.Name+": "+m.Why)
	}
	if len(b.fresh) > 0 {
		words = append(words, "neither year nor booking is told of "+strings.Join(b.fresh, ", "))
	}
	if len(b.all) == 0 {
		words = append(words, "no administration is listed")
	}
	return strings.Join(words, "; ")
}

func (b *books) start() time.Time { return b.config.Time("start_date").In(zone(b.config)) }

// wanted tells whether a year has to be read for its number, or for an
// administration that is of it.
func (b *books) wanted(number int) bool {
	return number >= b.start().Year() || slices.ContainsFunc(b.all, func(a administration) bool {
		of, ok := b.known[a.code]
		return (ok && of == number || !ok && a.year == number) && a.since(b.start())
	})
}

// find finds the years from start_date on, and the newest.
func (b *books) find(ctx context.Context) ([]year, error) {
	var out []year
	needed := func(a *administration) bool {
		return a.year == b.newest() || len(b.config.List(keyBookDates)) == 0 && a.since(b.start())
	}
	plain := !slices.ContainsFunc(b.all, func(a administration) bool { return a.told && !a.plain() })
	for i := range b.all {
		a := &b.all[i]
		if !a.told || !needed(a) || len(out) > 0 && out[len(out)-1].number == a.year {
			continue
		}
		day := end(a.year)
		if plain {
			if !a.last.IsZero() {
				day = a.last.Format(time.DateOnly)
			}
			out = append(out, year{a.year, day})
			continue
		}
		day, err := b.place(ctx, a.year)
		if err != nil {
			return nil, err
		}
		if day != "" {
			out = append(out, year{a.year, day})
		}
	}
	for i := range b.all {
		a := &b.all[i]
		if a.told || a.year > 0 && !needed(a) || a.year == 0 && len(b.config.List(keyBookDates)) > 0 {
			continue
		}
		y, err := b.look(ctx, a, out)
		if err != nil {
			return nil, err
		}
		if y.number > 0 {
			out = append(out, y)
		}
	}
	if len(b.mute) > 0 {
		var err error
		if out, err = b.silent(ctx, out); err != nil {
			return nil, err
		}
	}
	return byNumber(out), nil
}

// newest is the newest year as far as it is told, 0 for none.
func (b *books) newest() int {
	n := 0
	for i := range b.all {
		n = max(n, b.all[i].year)
	}
	return n
}

// place finds a day of a year that is told, "" where the days that could be are all
// of other years.
func (b *books) place(ctx context.Context, number int) (string, error) {
	// A book year that is called by the calendar year in which it ends may have its
	// last booking before that; one after it, another one or a late entry.
	days := []string{end(number), first(number)}
	if slices.ContainsFunc(b.all, func(a administration) bool { return a.told && !a.last.IsZero() && a.last.Year() < a.year }) {
		slices.Reverse(days)
	}
	for i := range b.all {
		if a := &b.all[i]; a.told && a.year == number && !a.last.IsZero() {
			days = append(days, a.last.Format(time.DateOnly))
		}
	}
	var silent, none []string
	others := ""
	for _, day := range days {
		s, err := b.on(ctx, day)
		if err != nil {
			return "", err
		}
		of, ok := b.known[s.code]
		switch {
		case ok && of == number:
			return day, b.second(ctx, number, s.code)
		case ok:
			others = fmt.Sprintf("%s is in book year %d", day, of)
		case s.none:
			none = append(none, day)
		default:
			silent = append(silent, day)
		}
	}
	// Where nothing tells, the likeliest day; one that is refused is so loudly.
	for _, likely := range [][]string{silent, none} {
		if len(likely) > 0 {
			return likely[0], nil
		}
	}
	b.lost = append(b.lost, missed{strconv.Itoa(number), "which day is in it is not known, " + others + "; " + nameThem})
	return "", nil
}

// second looks for other books of the company under the number of a year: an
// administration of that number that a day outside of the year shows.
func (b *books) second(ctx context.Context, number int, code string) error {
	for i := range b.all {
		a := &b.all[i]
		if a.year != number || a.code == code || a.plain() || !a.told {
			continue
		}
		s, err := b.on(ctx, a.last.Format(time.DateOnly))
		if err != nil {
			return err
		}
		if s.code == a.code {
			b.lost = append(b.lost, missed{a.code, fmt.Sprintf("it is a second administration of book year %d, beside %s", number, code)})
		}
	}
	return nil
}

// look finds the year of an administration for which it is not told, and a day in
// it.
func (b *books) look(ctx context.Context, a *administration, found []year) (year, error) {
	days := b.suspects(a)
	silent := false
	for _, day := range days {
		s, err := b.on(ctx, day)
		if err != nil {
			return year{}, err
		}
		if s.code == "" {
			silent = silent || !s.none
		}
		if s.code != a.code || a.code == "" {
			continue
		}
		number, err := b.label(ctx, s.code, day)
		if err != nil {
			return year{}, err
		}
		b.known[a.code] = number
		if same, err := b.taken(ctx, found, number, a.code); err != nil || same == other {
			b.lost = append(b.lost, missed{a.code, fmt.Sprintf("it is a second administration of book year %d", number)})
			return year{}, err
		}
		return year{number, day}, nil
	}
	switch {
	case a.last.IsZero() && slices.ContainsFunc(b.all, func(a administration) bool { return a.told && !a.plain() }):
		b.fresh = append(b.fresh, a.code)
	case a.last.IsZero():
		b.mute = append(b.mute, *a)
	case b.heard && !silent:
		b.alien = append(b.alien, a.code)
	default:
		b.mute = append(b.mute, *a)
	}
	return year{}, nil
}

// silent are the book years of administrations of which nothing tells. Whichever
// of them holds it, the last day of a calendar year is in the book year of that
// name, if it shows rows that no other year has; the first of them may have ended a
// year before its last entry.
func (b *books) silent(ctx context.Context, found []year) ([]year, error) {
	var days []string
	for i := range b.mute {
		a := &b.mute[i]
		for n := a.last.Year(); !a.last.IsZero() && n >= max(a.last.Year()-1, b.start().Year()-1); n-- {
			days = append(days, end(n))
		}
		if a.last.IsZero() {
			days = append(days, b.suspects(a)...)
		}
	}
	slices.Sort(days)
	slices.Reverse(days) // a service without books of a day may show today's
	out := slices.Clone(found)
	for _, day := range slices.Compact(days) {
		n, err := strconv.Atoi(day[:4])
		if err != nil || day != end(n) || slices.ContainsFunc(out, func(y year) bool { return y.number == n }) {
			continue
		}
		s, err := b.on(ctx, day)
		if err != nil {
			return nil, err
		}
		if s.none || s.code != "" || s.looks == "" {
			continue
		}
		if again, err := b.shown(ctx, out, s.looks); err != nil {
			return nil, err
		} else if !again {
			out = append(out, year{n, day})
		}
	}
	for i := range b.mute {
		switch a := &b.mute[i]; {
		case len(out) > len(found) && a.last.IsZero(): // one of them, as far as anybody can tell
		case a.last.IsZero():
			b.fresh = append(b.fresh, a.code)
		case len(out) == 0:
			found = append(found, year{a.year, a.last.Format(time.DateOnly)}) // all is refused, and so is this
		}
	}
	if len(out) == 0 {
		return found, nil
	}
	return out, nil
}

// shown tells whether one of some years begins with a row.
func (b *books) shown(ctx context.Context, list []year, looks string) (bool, error) {
	for _, y := range list {
		if s, err := b.on(ctx, y.day); err != nil || s.looks == looks {
			return true, err
		}
	}
	return false, nil
}

// What the place of a book year may be.
const (
	free  = iota
	own   // the administration's own already
	other // another one's
)

// taken tells who has a book year among those that were found.
func (b *books) taken(ctx context.Context, found []year, number int, code string) (int, error) {
	k := slices.IndexFunc(found, func(y year) bool { return y.number == number })
	if k < 0 {
		return free, nil
	}
	s, err := b.on(ctx, found[k].day)
	if err != nil || s.code != code {
		return other, err
	}
	return own, nil
}

// warn tells which administrations were left out.
func (b *books) warn(ctx context.Context) {
	if len(b.fresh) > 0 {
		// Without a booking there is nothing in it yet, if that is what it means.
		stream.Warn(ctx, "neither the book year nor a booking is told of administrations, they are left out: if they have bookings, "+nameThem, "administrations", strings.Join(b.fresh, ", "))
	}
	if len(b.alien) > 0 {
		stream.Warn(ctx, "no day is found in the books of administrations whose year is not told, they are taken for another company's: if they are not, "+nameThem, "administrations", strings.Join(b.alien, ", "))
	}
}

// suspects are the days on which the books of an administration may be found: the
// last days of the years up to that of its last booking, and this one; where
// there is none, the days that no other one has.
func (b *books) suspects(a *administration) []string {
	var days []string
	if !a.last.IsZero() {
		for n := a.last.Year(); n >= a.last.Year()-mostLate && n >= b.start().Year()-1; n-- {
			days = append(days, end(n))
		}
		return append(days, a.last.Format(time.DateOnly))
	}
	today := time.Now().In(zone(b.config))
	from, to := b.start().Year()-1, today.Year()
	if n := b.newest(); n > 0 {
		days = append(days, end(n+1), first(n+1))
		from, to = n, n
		for i := range b.all {
			if b.all[i].year > 0 {
				from = min(from, b.all[i].year)
			}
		}
	}
	for n := to; n >= from; n-- {
		if !slices.ContainsFunc(b.all, func(a administration) bool { return a.year == n }) {
			days = append(days, end(n))
		}
	}
	if !slices.ContainsFunc(b.all, func(a administration) bool { return a.plain() && a.year == today.Year() }) {
		days = append(days, today.Format(time.DateOnly))
	}
	return days
}

// label is the year of the administration that a day is in: the told one, or that
// whose last day is in it, too.
func (b *books) label(ctx context.Context, code, day string) (int, error) {
	if n, ok := b.known[code]; ok {
		return n, nil
	}
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return 0, err
	}
	for n := t.Year(); n >= t.Year()-1; n-- {
		s, err := b.on(ctx, end(n))
		if err != nil {
			return 0, err
		}
		if s.code == code {
			return n, nil
		}
	}
	return t.Year(), nil
}

// dated are the book years in which the dates of the config lie.
func (b *books) dated(ctx context.Context) ([]year, error) {
	// A fresh one beside others that are plain makes no doubt.
	plain := slices.ContainsFunc(b.all, func(a administration) bool { return a.plain() })
	if !slices.ContainsFunc(b.all, func(a administration) bool { return !a.plain() && (a.year > 0 || !plain) }) {
		return byDate(b.config), nil
	}
	var out []year
	for _, t := range days(b.config) {
		day := t.Format(time.DateOnly)
		s, err := b.on(ctx, day)
		if err != nil {
			return nil, err
		}
		y := year{b.guess(day, t.Year()), day}
		if s.code != "" {
			if y.number, err = b.label(ctx, s.code, day); err != nil {
				return nil, err
			}
			b.known[s.code] = y.number
		}
		out = append(out, y)
	}
	return byNumber(out), nil
}

// guess is the book year of a day of which nothing tells: one that is no calendar
// year holds the days up to its last booking, from that of the year before on.
func (b *books) guess(day string, calendar int) int {
	broken := slices.ContainsFunc(b.all, func(a administration) bool { return !a.last.IsZero() && a.last.Year() != a.year })
	if !broken {
		return calendar
	}
	number := calendar
	for i := range b.all {
		if a := &b.all[i]; a.year > 0 {
			number = a.year
			if !a.last.IsZero() && a.last.Format(time.DateOnly) >= day {
				break
			}
		}
	}
	return number
}

// on asks which administration a day is in.
func (b *books) on(ctx context.Context, day string) (sight, error) {
	if s, ok := b.seen[day]; ok {
		return s, nil
	}
	if len(b.seen) >= mostDays {
		return sight{}, nil
	}
	s := sight{none: true}
	// What is not in the ledger yet may be on the pages of a journal.
	for _, q := range []struct{ object, table, fields string }{
		{"GJ1", "TRANSACT", "REC_ID,ADM_CODE,TRN_DATE,AMOUNT"},
		{"DJ2", "DJ_LINE", "DJ_CODE,PAGE_NR,CNG_DATE,DJ_LINE.ADM_CODE"},
	} {
		is, err := b.ask(ctx, q.object, q.table, day, q.fields)
		if _, ok := errors.AsType[*stream.UnknownField](err); ok {
			is, err = b.ask(ctx, q.object, q.table, day, "")
		}
		if err != nil && !mayGoOn(err) {
			return s, entirely(err)
		}
		s.none = s.none && is.none
		s.looks = cmp.Or(s.looks, is.looks)
		if slices.ContainsFunc(b.all, func(a administration) bool { return is.code != "" && a.code == is.code }) {
			s.code, s.none, b.heard = is.code, false, true
			break
		}
	}
	b.seen[day] = s
	return s, nil
}

// ask looks at one row of a day; none tells of a day that is refused, not for lack
// of a right.
func (b *books) ask(ctx context.Context, object, table, day, fields string) (sight, error) {
	req := &stream.Request{URL: pathData, Lane: b.company, Resource: "book years", Params: []stream.Param{
		inCompany(b.company), {Name: "BusinessObject", Value: object}, {Name: "BookDate", Value: day}, {Name: "PageSize", Value: "1"},
	}}
	if fields != "" {
		req.Params = append(req.Params, stream.Param{Name: "Fields", Value: fields})
	}
	resp, err := b.f.Fetch(ctx, req)
	if err != nil {
		e := fault.As(err)
		return sight{none: e != nil && e.Kind == fault.Refused}, err
	}
	defer release(resp)
	var answer map[string]json.RawMessage
	if stream.Unmarshal(resp.Body, &answer) != nil {
		return sight{}, nil // what cannot be read does not tell
	}
	rows := []row{}
	if stream.Unmarshal(answer[table], &rows) != nil {
		var one row
		if stream.Unmarshal(answer[table], &one) != nil {
			return sight{}, nil
		}
		rows = append(rows, one)
	}
	var s sight
	for _, r := range rows {
		if code := strings.TrimSpace(r.text("ADM_CODE")); s.code == "" && code != "null" {
			s.code = code
		}
		maps.DeleteFunc(r, func(name string, _ json.RawMessage) bool { return name == "EXT_KEY" || strings.HasSuffix(name, "_Id") })
		if text, err := json.Marshal(r); err == nil && s.looks == "" {
			s.looks = string(text)
		}
	}
	return s, nil
}
