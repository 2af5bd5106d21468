package exactonline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// The members of the state that tell for which past of a division a bookmark
// holds.
const (
	moveDate = "_division_move_date"
	linkDate = "_division_hr_link_date"
)

// me is what current/Me tells. ServerTime is the site's wall clock, the offset
// is in seconds. REC.
type me struct {
	CurrentDivision json.Number
	ServerTime      string
	ServerUtcOffset *float64
}

// open asks who signed in: the list of divisions is found below the division
// that is open in the user's browser, and the site's clock by its offset. The
// call is not counted (DOC, API limits).
func open(ctx context.Context, f stream.Fetcher, c stream.Config) ([]stream.Param, error) {
	resp, err := f.Fetch(ctx, &stream.Request{URL: "current/Me", Resource: "current_me"})
	if err != nil {
		return nil, rowless(err, "current/Me")
	}
	defer release(resp)
	rows, _, err := list[me](resp)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || rows[0].CurrentDivision == "" {
		return nil, shape(resp, "does not tell the current division")
	}
	zone, err := zoneOf(c.Text(keyRegion), rows[0])
	if err != nil {
		return nil, err
	}
	return []stream.Param{{Name: keyDivision, Value: rows[0].CurrentDivision.String()}, {Name: keyZone, Value: zone}}, nil
}

// zones are what a site's clock may be. All sites are said to run on Central
// European Time (DOC, FAQ); for uk and us that is not certain, so the offset that
// the service tells decides.
var zones = map[string][]string{
	"uk": {"Europe/London", "Europe/Amsterdam"},
	"us": {"Europe/Amsterdam", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"},
}

const centralEurope = "Europe/Amsterdam"

// zoneOf names the zone of the site's clock.
func zoneOf(region string, m me) (string, error) {
	at, err := time.Parse("2006-01-02T15:04:05.999999999", m.ServerTime)
	if m.ServerUtcOffset == nil || err != nil {
		return centralEurope, nil //nolint:nilerr // it is not told, as far as we can read
	}
	offset := int(*m.ServerUtcOffset)
	at = at.Add(-time.Duration(offset) * time.Second)
	candidates := slices.Concat(zones[region], []string{centralEurope, "Europe/London", "UTC"})
	for _, name := range candidates {
		if loc, err := time.LoadLocation(name); err == nil {
			if _, have := at.In(loc).Zone(); have == offset {
				return name, nil
			}
		}
	}
	return "", &fault.Error{
		Kind: fault.Contract, Whole: true, Err: fmt.Errorf("the service's clock is %d s from UTC: none of %s, so its times cannot be read", offset, strings.Join(candidates, ", ")),
		Hint: "compare region with the address in the browser, and report this",
	}
}

// clockOf returns the site's clock. Making one takes a millisecond, so it is kept.
func clockOf(c stream.Config) *clock {
	name := c.Text(keyZone)
	if name == "" {
		name = centralEurope
	}
	if k, ok := clocks.Load(name); ok {
		return k.(*clock)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		loc = time.UTC // invariant: zoneOf has loaded it, and the program holds the zones
	}
	k, _ := clocks.LoadOrStore(name, newClock(loc))
	return k.(*clock)
}

var clocks sync.Map

// conversion returns how a DateTime is read: three of them, and the tap's own
// time of a deletion, are instants, the others may be plain dates.
func conversion(c stream.Config, property string) func(dst, raw []byte) ([]byte, bool) {
	k := clockOf(c)
	switch property {
	case "Created", "Modified", "DeletedDate", stream.DeletedAt:
		return k.instant
	}
	return k.date
}

// division is a row of system/Divisions.
type division struct {
	Code                     int64
	Description              string
	CustomerName             string
	Status, BlockingStatus   *int
	DivisionMoveDate         *string
	DivisionHRLinkUnlinkDate *string
}

// statuses of a division that is not active, CLIENT (PQ).
var statuses = map[int]string{0: "it is inactive", 2: "it is archived"}

// divisions lists those that the user may see and that the consent allows; the
// number in the address is not looked at (CLIENT, picqer#470).
func divisions(ctx context.Context, f stream.Fetcher, c stream.Config) ([]stream.Partition, error) {
	current := c.Text(keyDivision)
	chosen := c.List(keyDivisions)
	if slices.Contains(chosen, allDivisions) {
		chosen = nil
	}
	var found []division
	for at := current + "/system/Divisions"; at != ""; {
		resp, err := f.Fetch(ctx, &stream.Request{URL: at, Lane: current, Resource: "system_divisions"})
		if err != nil {
			return nil, unlisted(rowless(err, "system/Divisions"))
		}
		rows, next, err := list[division](resp)
		release(resp)
		if err != nil {
			return nil, err
		}
		if next == at {
			return nil, shape(resp, "leads in a circle")
		}
		found, at = append(found, rows...), next
	}
	return choose(found, chosen)
}

// choose makes partitions of the divisions that are wanted, in the order of their
// numbers.
func choose(found []division, chosen []string) ([]stream.Partition, error) {
	var out []stream.Partition
	have := map[string]bool{}
	for i := range found {
		d := &found[i]
		id := strconv.FormatInt(d.Code, 10)
		named := slices.Contains(chosen, id)
		if have[id] || len(chosen) > 0 && !named {
			continue
		}
		have[id] = true
		out = append(out, stream.Partition{
			ID: id, Name: d.name(), Lane: id, Inject: []string{id}, Chosen: named, Skip: d.closed(),
			Values: []stream.Param{{Name: "division", Value: id}},
			Epochs: []stream.Param{{Name: moveDate, Value: quote(d.DivisionMoveDate)}, {Name: linkDate, Value: quote(d.DivisionHRLinkUnlinkDate)}},
		})
	}
	if len(out) == 0 && len(chosen) > 0 {
		return nil, unknown(found, chosen)
	}
	for _, id := range chosen {
		if !have[id] {
			have[id] = true
			out = append(out, stream.Partition{ID: id, Chosen: true, Skip: "the user has no access to it, or did not allow it on the consent page"})
		}
	}
	if len(out) == 0 {
		return nil, &fault.Error{
			Kind: fault.Permission, Whole: true, Err: errors.New("the user may see no division"),
			Hint: "allow one on the consent page: tap-backoffice auth exact_online",
		}
	}
	slices.SortFunc(out, func(a, b stream.Partition) int {
		if d := len(a.ID) - len(b.ID); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// unknown is the fault of a config that names nothing but divisions which the
// account does not have.
func unknown(found []division, chosen []string) error {
	const most = 20
	var have []string
	for i := range found {
		if i == most {
			have = append(have, fmt.Sprintf("and %d more", len(found)-most))
			break
		}
		have = append(have, fmt.Sprintf("%d (%s)", found[i].Code, found[i].name()))
	}
	if len(have) == 0 {
		have = []string{"none"}
	}
	return &fault.Error{
		Kind: fault.Config, Whole: true, Op: "divisions",
		Err:  errors.New("the user may see none of " + strings.Join(chosen, ", ") + ", but " + strings.Join(have, ", ")),
		Hint: `correct divisions, or allow them on the consent page: tap-backoffice auth exact_online`,
	}
}

func (d *division) name() string {
	name := strings.TrimSpace(d.Description)
	if name == "" {
		name = strings.TrimSpace(d.CustomerName)
	}
	return name
}

// closed tells why a division cannot be read, "" where it can.
func (d *division) closed() string {
	switch {
	case d.Status != nil && *d.Status != 1:
		if why := statuses[*d.Status]; why != "" {
			return why
		}
		return fmt.Sprintf("its status is %d", *d.Status)
	case d.BlockingStatus != nil && *d.BlockingStatus != 0:
		return fmt.Sprintf("it is blocked (%d)", *d.BlockingStatus)
	}
	return ""
}

// quote is a date of a division as the state keeps it: the vendor's own text, ""
// for none.
func quote(s *string) string {
	if s == nil {
		return `""`
	}
	return strconv.Quote(*s)
}

// unlisted is the refusal of the list, without which nothing can be read.
func unlisted(err error) error {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Permission && e.Kind != fault.Refused {
		return err
	}
	out := *e
	out.Whole, out.Partition = true, false
	out.Hint = "grant the app the scope Organization administration, which the list of divisions needs, and sign in again: tap-backoffice auth exact_online"
	return &out
}

// list reads the rows of a small answer, and the link to the next page.
func list[T any](r *stream.Response) (rows []T, next string, err error) {
	var answer struct{ D json.RawMessage }
	if err := stream.Unmarshal(r.Body, &answer); err != nil {
		return nil, "", shape(r, "is not the JSON it should be")
	}
	var d struct {
		Results []T
		Next    string `json:"__next"`
	}
	if bytes.HasPrefix(bytes.TrimSpace(answer.D), []byte("[")) {
		err = stream.Unmarshal(answer.D, &d.Results)
	} else {
		err = stream.Unmarshal(answer.D, &d)
	}
	if err != nil || answer.D == nil {
		return nil, "", shape(r, "has another shape than documented")
	}
	return d.Results, d.Next, nil
}

func shape(r *stream.Response, what string) error {
	return &fault.Error{
		Kind: fault.Contract, Status: r.Status, Whole: true, Err: errors.New("the answer of " + r.URL + " " + what),
		Hint: "run again, and report it if it stays",
	}
}

// rowless makes a fault of an answer without any content (204, 304) where there is
// always a row.
func rowless(err error, what string) error {
	if errors.Is(err, stream.NoRows) {
		return &fault.Error{Kind: fault.Contract, Whole: true, Err: errors.New("the answer of " + what + " holds nothing"), Hint: "run again, and report it if it stays"}
	}
	return err
}

func release(r *stream.Response) {
	if r.Release != nil {
		r.Release()
	}
}
