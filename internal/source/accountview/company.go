package accountview

import (
	"context"
	"errors"
	"slices"
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
	if err == nil {
		more, err := (&books{f: f, company: e.Id, config: c, all: all}).told(ctx)
		return append(told, more...), err
	}
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
	if id := idOf(c); id != "" && codeOf(c) == "" {
		return &entry{Id: id}, nil, nil
	}
	if list, err = companies(ctx, f); err != nil {
		return nil, nil, err
	}
	e, err = pick(list, c)
	return e, list, err
}

func idOf(c stream.Config) string { return strings.TrimSpace(c.Text(keyCompanyID)) }

func codeOf(c stream.Config) string { return strings.TrimSpace(c.Text(keyCompanyCode)) }

// member is the company of the config if the list has it.
func member(ctx context.Context, f stream.Fetcher, c stream.Config) (*entry, error) {
	list, err := companies(ctx, f)
	if err != nil {
		return nil, err
	}
	return pick(list, c)
}

// pick chooses the company that is named, or the only one. Where both keys name
// one, it is the same.
func pick(list []entry, c stream.Config) (*entry, error) {
	id, code := idOf(c), codeOf(c)
	called := func(e *entry) bool { return strings.EqualFold(strings.TrimSpace(e.Code), code) }
	k := slices.IndexFunc(list, func(e entry) bool {
		switch {
		case id != "":
			return strings.EqualFold(e.Id, id)
		case code != "":
			return called(&e)
		}
		return len(list) == 1
	})
	key, what := keyCompanyID, "there are several companies"
	switch {
	case k >= 0 && id != "" && code != "" && !called(&list[k]):
		key, what = keyCompanyCode, "the company with the Id "+id+" has not the code "+code
	case k >= 0:
		return &list[k], nil
	case id != "":
		what = "there is no company with the Id " + id
	case code != "":
		key, what = keyCompanyCode, "there is no company with the code "+code
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
		Kind: fault.Config, Whole: true, Op: key, Err: errors.New(what + "; the user may see " + strings.Join(have, "; ")),
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
