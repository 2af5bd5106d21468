package zohocrm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// The limits and prices of the ways, in credits.
const (
	// A bulk read job is GUESS: the vendor names a price for bulk writes alone.
	jobCost = 50
	jobRows = 200_000 // DOC (BULK)
	// DOC (COQL): so many rows a query, which costs 3 with more than 1000.
	queryRows, queryCost = 2000, 3
	cappedRows           = 200 // rows of a query in the newest OAS, which cost 1
	queryColumns         = 50  // DOC up to v7; more is unverified
	queryJoins           = 15  // DOC (COQL-Limitations v7): dotted columns of lookups
	usersPages           = 2   // GUESS of those with and without an account
)

const post = "POST"

// cutText is where lists cut rich text. DOC.
const cutText = 500

// roads are the ways to a module's rows beside its list.
func roads(module string) *stream.Roads {
	r := road{module}
	return &stream.Roads{
		Only: only, Count: r.count, Counted: counted, Cut: cutText,
		Ways: []stream.Road{
			{Name: "bulk", Job: &stream.Job{Open: r.openFiles}, Suits: r.suitsFiles, Cost: r.filesCost, MaxRows: jobRows},
			{Name: "query", Job: &stream.Job{Open: r.openQuery}, Suits: r.suitsQuery, Cost: r.queryCost},
		},
	}
}

// only is the way that the config insists on.
func only(c stream.Config) string {
	if method := c.Text(keyReadMethod); method != "auto" {
		return method
	}
	return ""
}

// road is a module to which there are ways.
type road struct{ module string }

// leadModule is the module whose rows are of two kinds, one of which is not told
// unless it is asked for.
const leadModule = "Leads"

// count asks how many rows there are. DOC (api-evangelist/zoho-crm,
// openapi/zoho-crm-records-api-openapi.yml, getCount): the number is that of a
// search and may lag behind, it serves as an estimate.
func (m road) count(r stream.Read) *stream.Request { return m.counting(r, "both") }

func (m road) counting(r stream.Read, converted string) *stream.Request {
	req := &stream.Request{URL: url.PathEscape(m.module) + "/actions/count", Resource: "count"}
	criteria := ""
	switch {
	case r.From != "" && r.To != "":
		criteria = "(Modified_Time:between:" + r.From + "," + r.To + ")"
	case r.From != "":
		criteria = "(Modified_Time:greater_equal:" + r.From + ")"
	case r.To != "":
		criteria = "(Modified_Time:less_equal:" + r.To + ")"
	}
	if criteria != "" {
		req.Params = append(req.Params, stream.Param{Name: "criteria", Value: criteria})
	}
	if m.module == leadModule {
		req.Params = append(req.Params, stream.Param{Name: "converted", Value: converted})
	}
	return req
}

func counted(r *stream.Response) (rows int64, ok bool) {
	var a struct{ Count *int64 }
	if stream.Unmarshal(r.Body, &a) != nil || a.Count == nil || *a.Count < 0 {
		return 0, false
	}
	return *a.Count, true
}

// suits tells why neither way can give the fields that are wanted.
func (m road) suits(r stream.Read) string {
	if m.module == "Notes" || m.module == "Attachments" {
		return "it takes no such module" // GUESS from the list of those that it takes
	}
	if hintOf(r, "id") != parseHint(whole) {
		return "the catalog does not tell of what type the fields are: write a fresh one with --discover"
	}
	for _, p := range r.Fields {
		switch h := hintOf(r, p.Name); {
		case strings.HasPrefix(p.Name, "$"):
			return p.Name + " is in lists alone"
		case h.word == hintOther:
			return p.Name + " (" + h.rest + ") is right in lists alone"
		case !slices.Contains([]string{"", "hints", hintLookup, hintUser, hintTags, hintLayout, hintList, hintJSON, hintImage, hintAlarm, hintRich}, h.word):
			return "the catalog tells of " + p.Name + " what this version does not know"
		}
	}
	return ""
}

func (m road) suitsFiles(r stream.Read) string { return m.suits(r) }

func (m road) suitsQuery(r stream.Read) string {
	if why := m.suits(r); why != "" {
		return why
	}
	if r.To == "" {
		return "only reads with an upper bound need it"
	}
	if m.module == leadModule {
		return "whether it gives converted leads is not documented"
	}
	joins := 0
	for _, p := range r.Fields {
		switch hintOf(r, p.Name).word {
		case hintLookup:
			joins++
		case hintImage:
			return p.Name + " cannot be asked for" // DOC (COQL-Limitations)
		}
	}
	if joins > queryJoins || len(queried(r)) > queryColumns {
		return fmt.Sprintf("it takes %d columns and %d lookups at most", queryColumns, queryJoins)
	}
	return ""
}

// filesCost is the price of so many rows in files.
func (m road) filesCost(r stream.Read, rows int64) float64 {
	jobs := math.Max(1, math.Ceil(float64(rows)/jobRows))
	if m.module == leadModule {
		jobs++ // open and converted ones apart
	}
	return jobs*(jobCost+3) + m.openCost(r)
}

func (m road) queryCost(r stream.Read, rows int64) float64 {
	return math.Max(1, math.Ceil(float64(rows)/queryRows))*queryCost + m.openCost(r)
}

// openCost is the price of what a job has to know.
func (m road) openCost(r stream.Read) (cost float64) {
	if wants(r, hintUser) {
		cost += usersPages + 1
	}
	for _, word := range []string{hintTags, hintLayout} {
		if wants(r, word) {
			cost++
		}
	}
	if m.module == leadModule {
		cost++
	}
	return cost
}

// wants tells whether a field of that kind is asked for.
func wants(r stream.Read, word string) bool {
	return slices.ContainsFunc(r.Fields, func(p stream.Property) bool { return hintOf(r, p.Name).word == word })
}

// known is what the values in files and answers of queries stand for: JSON
// literals as lists have them.
type known struct {
	users   map[string][]byte // by id
	tags    map[string][]byte // by name
	layouts map[string][]byte // by id
}

// look asks for what a read needs of it.
func (m road) look(ctx context.Context, f stream.Fetcher, r stream.Read) (*known, error) {
	k := &known{users: map[string][]byte{}, tags: map[string][]byte{}, layouts: map[string][]byte{}}
	if wants(r, hintUser) {
		// DOC: AllUsers are the active and the inactive ones; who created a row may
		// have been deleted since.
		for _, kind := range []string{"AllUsers", "DeletedUsers"} {
			if err := lookUsers(ctx, f, kind, k.users); err != nil {
				return nil, err
			}
		}
	}
	if wants(r, hintTags) {
		a := struct {
			Tags []struct {
				Name  string
				ID    json.RawMessage
				Color json.RawMessage `json:"color_code"`
			}
		}{}
		if err := ask(ctx, f, "tags", m.setting("settings/tags"), &a); err != nil {
			return nil, err
		}
		for _, t := range a.Tags {
			k.tags[t.Name] = object(member{"name", quoted(t.Name)}, member{"id", t.ID}, member{"color_code", t.Color})
		}
	}
	if wants(r, hintLayout) {
		a := struct {
			Layouts []struct {
				ID   string
				Name json.RawMessage
			}
		}{}
		if err := ask(ctx, f, "layouts", m.setting("settings/layouts"), &a); err != nil {
			return nil, err
		}
		for _, l := range a.Layouts {
			k.layouts[l.ID] = object(member{"name", l.Name}, member{"id", quoted(l.ID)})
		}
	}
	return k, nil
}

func (m road) setting(path string) *stream.Request {
	return &stream.Request{URL: path, Params: []stream.Param{{Name: "module", Value: m.module}}}
}

// maxPages bounds the pages of a list that does not end.
const maxPages = 1000

func lookUsers(ctx context.Context, f stream.Fetcher, kind string, into map[string][]byte) error {
	for page := 1; page <= maxPages; page++ {
		a := struct {
			Users []struct {
				ID    string
				Name  json.RawMessage `json:"full_name"`
				Email json.RawMessage
			}
			Info struct {
				More bool `json:"more_records"`
			}
		}{}
		err := ask(ctx, f, "users", &stream.Request{URL: "users", Params: []stream.Param{
			{Name: "type", Value: kind}, {Name: "page", Value: strconv.Itoa(page)}, {Name: "per_page", Value: "200"},
		}}, &a)
		if err != nil {
			return err
		}
		for _, u := range a.Users {
			into[u.ID] = object(member{"name", u.Name}, member{"id", quoted(u.ID)}, member{"email", u.Email})
		}
		if !a.Info.More {
			break
		}
	}
	return nil
}

// ask reads an answer; nothing there leaves into as it is.
func ask(ctx context.Context, f stream.Fetcher, resource string, req *stream.Request, into any) error {
	req.Resource = resource
	resp, err := f.Fetch(ctx, req)
	if errors.Is(err, stream.NoRows) || errors.Is(err, stream.SkipParent) {
		return nil
	}
	if err != nil {
		return settled(err, req.URL)
	}
	err = stream.Unmarshal(resp.Body, into)
	if resp.Release != nil {
		resp.Release()
	}
	if err != nil {
		return unlike(req.URL)
	}
	return nil
}

// unlike is an answer that is not what the vendor documents.
func unlike(what string) error {
	return &fault.Error{
		Kind: fault.Contract, Op: what, Err: errors.New("the answer has another shape than documented"), Hint: "run again, and report it if it stays",
	}
}

// settled makes a fault of what only a list of records may be told.
func settled(err error, what string) error {
	for _, told := range []error{stream.NoRows, stream.SkipParent, stream.Restart, stream.TooLarge} {
		if errors.Is(err, told) {
			return unlike(what)
		}
	}
	return err
}

// member is a member of a JSON object.
type member struct {
	name  string
	value json.RawMessage
}

func object(members ...member) []byte {
	out := []byte{'{'}
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(jsonspan.AppendQuoted(out, []byte(m.name)), ':')
		if len(m.value) == 0 {
			out = append(out, "null"...)
		}
		out = append(out, m.value...)
	}
	return append(out, '}')
}

// quoted is a text as JSON.
func quoted(text string) json.RawMessage { return jsonspan.AppendQuoted(nil, []byte(text)) }
