package accountview

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// entry is a row of the list of companies. CLIENT (OMNI, FXL, NG, PAS).
type entry struct{ Id, Code, Description string }

// open finds the company that is to be read, and its book years.
func open(ctx context.Context, f stream.Fetcher, c stream.Config) ([]stream.Param, error) {
	e, listed, err := chosen(ctx, f, c)
	if err != nil {
		return nil, err
	}
	told := []stream.Param{{Name: keyCompany, Value: e.Id}, {Name: keyName, Value: e.Description}}
	all, err := administrations(ctx, f, e.Id)
	if err != nil {
		if !mayGoOn(err) {
			return nil, entirely(err)
		}
		// The refusal may be of the company, whatever its words are.
		if listed == nil {
			if e, err := member(ctx, f, c); e == nil {
				return nil, err
			}
		}
		// Who may not see the list of administrations may name the years.
		return append(told, stream.Param{Name: keyUntold, Value: err.Error()}, stream.Param{Name: keyYears, Value: encode(byDate(c))}), nil
	}
	return append(told, stream.Param{Name: keyYears, Value: encode(wanted(all, c))}, stream.Param{Name: keyNewest, Value: newest(all)}), nil
}

// entirely makes a failure one of the whole run: without book years nothing can be
// read.
func entirely(err error) error {
	e := fault.As(err)
	if e == nil || e.Whole {
		return err
	}
	out := *e
	out.Whole = true
	return &out
}

// mayGoOn tells whether a failure leaves the rest open.
func mayGoOn(err error) bool {
	e := fault.As(err)
	return e != nil && !e.Whole && (e.Kind == fault.Permission || e.Kind == fault.Refused) || errors.Is(err, stream.NoRows)
}

// chosen is the company that the config means. list is nil where it was not
// looked for: an Id says enough, and a wrong one is refused.
func chosen(ctx context.Context, f stream.Fetcher, c stream.Config) (e *entry, list []entry, err error) {
	if id := strings.TrimSpace(c.Text(keyCompanyID)); id != "" {
		return &entry{Id: id}, nil, nil
	}
	if list, err = companies(ctx, f); err != nil {
		return nil, nil, err
	}
	e, err = pick(list, c)
	return e, list, err
}

// member is the company of the config if the list has it.
func member(ctx context.Context, f stream.Fetcher, c stream.Config) (*entry, error) {
	list, err := companies(ctx, f)
	if err != nil {
		return nil, err
	}
	return pick(list, c)
}

// pick chooses the company that is named, or the only one.
func pick(list []entry, c stream.Config) (*entry, error) {
	id, code := strings.TrimSpace(c.Text(keyCompanyID)), strings.TrimSpace(c.Text(keyCompanyCode))
	for i := range list {
		e := &list[i]
		switch {
		case id != "" && strings.EqualFold(e.Id, id), id == "" && code != "" && strings.EqualFold(strings.TrimSpace(e.Code), code):
			return e, nil
		case id == "" && code == "" && len(list) == 1:
			return e, nil
		}
	}
	what := "there are several companies"
	switch {
	case id != "":
		what = "there is no company with the Id " + id
	case code != "":
		what = "there is no company with the code " + code
	case len(list) == 0:
		return nil, &fault.Error{
			Kind: fault.Permission, Whole: true, Err: errors.New("the user may see no company"),
			Hint: "link the user to a company in AccountView.Net, and see that the communication service runs",
		}
	}
	var have []string
	for _, e := range list {
		have = append(have, e.Code+" ("+e.Id+", "+e.Description+")")
	}
	if len(have) == 0 {
		have = []string{"none"}
	}
	return nil, &fault.Error{
		Kind: fault.Config, Whole: true, Op: keyCompanyID, Err: errors.New(what + "; the user may see " + strings.Join(have, "; ")),
		Hint: "set " + keyCompanyID + " or " + keyCompanyCode + " to one of them",
	}
}

func companies(ctx context.Context, f stream.Fetcher) ([]entry, error) {
	resp, err := f.Fetch(ctx, &stream.Request{URL: pathList, Resource: "companies"})
	if errors.Is(err, stream.NoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer release(resp)
	var list []entry
	if stream.Unmarshal(resp.Body, &list) != nil || slices.ContainsFunc(list, func(e entry) bool { return e.Id == "" }) {
		return nil, shape(resp)
	}
	return list, nil
}

func shape(r *stream.Response) error {
	return &fault.Error{
		Kind: fault.Contract, Status: r.Status, Whole: true, Err: errors.New("the answer of " + r.URL + " has another shape than documented"),
		Hint: "run again, and report it if it stays",
	}
}

func release(r *stream.Response) {
	if r.Release != nil {
		r.Release()
	}
}

// company is the one partition of what belongs to a company.
func company(_ context.Context, _ stream.Fetcher, c stream.Config) ([]stream.Partition, error) {
	return []stream.Partition{partition(c, lastDay(c))}, nil
}

// partition is a company as it is seen from a day.
func partition(c stream.Config, day string) stream.Partition {
	id := c.Text(keyCompany)
	return stream.Partition{
		ID: id, Name: c.Text(keyName), Chosen: true,
		// Calls of a company are served one after another by the service on the
		// customer's computer. GUESS, from how AccountView.Net is made (DOC).
		Lane:   id,
		Values: []stream.Param{{Name: "company", Value: id}, {Name: "book_date", Value: day}},
	}
}

// lastDay is in the newest book year; today where it is not told.
func lastDay(c stream.Config) string {
	if day := c.Text(keyNewest); day != "" {
		return day
	}
	return time.Now().In(zone(c)).Format(time.DateOnly)
}

// years are the book years of the company: each is an administration of its own
// (DICT), with one bookmark for all.
func years(_ context.Context, _ stream.Fetcher, c stream.Config) ([]stream.Partition, error) {
	list := c.List(keyYears)
	if why := c.Text(keyUntold); why != "" && len(list) == 0 {
		return nil, &fault.Error{
			Kind: fault.Permission, Err: errors.New("the book years are not known: " + why),
			Hint: "give the user the right to see the administrations, or name a date in each book year in " + keyBookDates,
		}
	}
	var out []stream.Partition
	for _, word := range list {
		year, day, _ := strings.Cut(word, "=")
		p := partition(c, day)
		p.Within, p.Part, p.ID = p.ID, year, p.ID+"/"+year
		p.Inject = []string{year}
		out = append(out, p)
	}
	return out, nil
}

// year is a book year and a day in it.
type year struct {
	number int
	day    string
}

// encode writes years as the Config keeps them.
func encode(list []year) string {
	var words []string
	for _, y := range list {
		words = append(words, strconv.Itoa(y.number)+"="+y.day)
	}
	return strings.Join(words, ",")
}

// administration is a row of ADL: the books of a year, and the day of the last
// booking in them. DICT.
type administration struct {
	code, previous string
	year           int
	told           bool // by ATS_YEAR, which accountants fill in
	last           time.Time
}

// administrations lists those of a company in the order of their years.
func administrations(ctx context.Context, f stream.Fetcher, company string) ([]administration, error) {
	rows, err := list{
		object: "ADL", table: "ADM_LIST", key: []string{"ADM_CODE"}, columns: []string{"ADM_CODE", "ADM_PREV", "ADM_MODEL", "ATS_YEAR", "BOOK_DATE"}, size: listSize,
	}.read(ctx, f, company)
	if err != nil {
		return nil, err
	}
	var all []administration
	for _, r := range rows {
		a := administration{code: r.text("ADM_CODE"), previous: r.text("ADM_PREV")}
		a.last, _ = time.Parse("2006-01-02T15:04:05", r.text("BOOK_DATE"))
		if n, err := strconv.Atoi(strings.TrimSpace(r.text("ATS_YEAR"))); err == nil && n > 1900 && n < 3000 {
			a.year, a.told = n, true
		} else if !a.last.IsZero() {
			a.year = a.last.Year()
		}
		if a.year > 0 && r.text("ADM_MODEL") != "true" { // a model has no bookings
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b administration) int {
		return cmp.Or(cmp.Compare(a.year, b.year), a.last.Compare(b.last), strings.Compare(a.code, b.code))
	})
	// Where the year is not told, that of the last booking stands for it. Book years
	// that are no calendar years may then seem to be one; that they follow each
	// other is told by ADM_PREV.
	for i := len(all) - 2; i >= 0; i-- {
		next := &all[i+1]
		if a := &all[i]; !a.told && a.year >= next.year && next.previous == a.code && a.code != "" {
			a.year = next.year - 1
		}
	}
	return slices.CompactFunc(all, func(a, b administration) bool { return a.year == b.year }), nil
}

// day is a day in the book year: that of the last booking, or where there was
// none yet its last one if it is a calendar year, and one in it if it is not.
func (a *administration) day() string {
	if a.last.IsZero() {
		return strconv.Itoa(a.year) + "-12-31"
	}
	return a.last.Format(time.DateOnly)
}

func newest(all []administration) string {
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].day()
}

// wanted are the book years that the config names, or those from start_date on.
func wanted(all []administration, c stream.Config) []year {
	if len(c.List(keyBookDates)) > 0 {
		return dated(all, c)
	}
	start := c.Time("start_date").In(zone(c))
	var out []year
	for i := range all {
		if a := &all[i]; a.year >= start.Year() || !a.last.Before(start) {
			out = append(out, year{a.year, a.day()})
		}
	}
	return out
}

// dated are the book years in which the dates of the config lie.
func dated(all []administration, c stream.Config) []year {
	out := byDate(c)
	broken := slices.ContainsFunc(all, func(a administration) bool { return !a.last.IsZero() && a.last.Year() != a.year })
	for i := range out {
		if !broken {
			break
		}
		// A year that is no calendar year holds the days up to its last booking, from
		// that of the year before on.
		k := slices.IndexFunc(all, func(a administration) bool { return a.day() >= out[i].day })
		if k < 0 {
			k = len(all) - 1
		}
		out[i].number = all[k].year
	}
	slices.SortFunc(out, func(a, b year) int { return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(a.day, b.day)) })
	return slices.CompactFunc(out, func(a, b year) bool { return a.number == b.number })
}

// byDate are the calendar years of the config's dates.
func byDate(c stream.Config) []year {
	var out []year
	for _, day := range c.List(keyBookDates) {
		if t, err := time.Parse(time.DateOnly, strings.TrimSpace(day)); err == nil {
			out = append(out, year{t.Year(), t.Format(time.DateOnly)})
		}
	}
	slices.SortFunc(out, func(a, b year) int { return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(a.day, b.day)) })
	return slices.CompactFunc(out, func(a, b year) bool { return a.number == b.number })
}

// bookDates checks the list, which comes comma-separated.
func bookDates(list string) error {
	for day := range strings.SplitSeq(list, ",") {
		if _, err := time.Parse(time.DateOnly, strings.TrimSpace(day)); err != nil {
			return errors.New("dates as 2026-12-31, one in each book year")
		}
	}
	return nil
}
