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

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// The members of the state that tell for which past of a division a bookmark
// holds.
const (
	moveDate = "_division_move_date"
	linkDate = "_division_hr_link_date"
)

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
	if slices.ContainsFunc(chosen, isAll) {
		chosen = nil
	}
	var found []division
	for at := current + "/system/Divisions"; at != ""; {
		resp, err := f.Fetch(ctx, &stream.Request{URL: at, Lane: current, Resource: "system_divisions"})
		if err != nil {
			return nil, unlisted(whole(err))
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
		Results *[]T
		Next    string `json:"__next"`
	}
	if bytes.HasPrefix(bytes.TrimSpace(answer.D), []byte("[")) {
		err = stream.Unmarshal(answer.D, &d.Results)
	} else {
		err = stream.Unmarshal(answer.D, &d)
	}
	if err != nil || d.Results == nil { // null is no list either
		return nil, "", shape(r, "has another shape than documented")
	}
	return *d.Results, d.Next, nil
}

func shape(r *stream.Response, what string) error { return whole(contract(r, what)) }

// whole makes a fault of the run of an answer that breaks the contract, without
// which nothing can be read.
func whole(err error) error {
	e := fault.As(err)
	if e == nil || e.Kind != fault.Contract {
		return err
	}
	out := *e
	out.Whole = true
	return &out
}

func release(r *stream.Response) {
	if r.Release != nil {
		r.Release()
	}
}
