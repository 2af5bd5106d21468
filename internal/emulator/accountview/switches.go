package accountview

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// known are the faults of this stand-in, most of them the other side of a guess.
var known = map[string]string{
	"errors-4xx":         "errors of AccountView come with 400 and 403 in place of 200",
	"company-200":        "an error about x-company comes with 200",
	"single-object":      "one row comes as an object in place of an array",
	"empty-404":          "404 where there are no rows",
	"view-keys":          "the array has the name of the view",
	"page-cap":           "pages hold 100 rows at most, whatever is asked",
	"lastkey-repeats":    "LastKey gives the page that ends with it (takes a count)",
	"lastkey-ignored":    "LastKey is not looked at",
	"pagenumber-ignored": "PageNumber is not looked at",
	"shifting-order":     "rows come in another order on every second page",
	"offline":            "503: the communication service is offline (takes a count)",
	"admin-blocked":      "500: the administration is blocked (takes a count)",
	"stall":              "an answer takes ten minutes (takes a count)",
	"gateway":            "504 after 100 s where more than 100 rows are asked for",
	"exclusive":          "503 where a call of the same company is under way",
	"list-flag":          "filters want FilterIsListOfValues",
	"no-upper-bound":     "DateOnOrBeforeDate and 43 are unknown",
	"instant-since":      "filters on T compare to the second",
	"joined-dot":         "joined columns are TABLE.COLUMN in place of TABLE_COLUMN",
	"other-codes":        "open items are OPI in place of OI1, periods come as ADM_PER",
	"no-book-year":       "ATS_YEAR of administrations is empty",
	"no-expires-in":      "the token endpoint does not tell how long a token is good",
	"ageing":             "ages of open items are those of today",
	"stamped-balances":   "CNG_DATE moves with balances and stock",
	"noscope":            "the app lacks the scope: 403",
	"noright":            "the user lacks the right: an error with 200",
	"stale-token":        "the access token has just expired (takes a count)",
	"reusable":           "a refresh token that was used stays good",
	"stale-dictionary":   "the dictionary has a column that rows lack, and lacks one that they have",
	"whole-lines":        "line tables come whole whatever Fields says, which does not take their columns",
	"error-200":          "200 with an error of AccountView in place of the rows (takes a count)",
	"broken-years":       "book years begin on 1 July",
	"late-books":         "BOOK_DATE of administrations is the clock at the last entry, which may be after the year",
	"no-book-date":       "BOOK_DATE of administrations is empty",
	"no-adm-code":        "ADM_CODE of rows is empty",
	"other-books":        "the administrations of the other company are listed too",
	"inactive-unknown":   "an object whose module is not in the licence is refused as one that does not exist",
}

// guesses are those under which the rows have to come as ever, see
// [emulator.Plugin]: some alone, and such together as do not hide each other.
var guesses = []string{
	"errors-4xx,company-200,single-object,joined-dot", "view-keys,empty-404,list-flag,no-upper-bound,instant-since",
	"page-cap,exclusive,other-codes,no-expires-in", "shifting-order,reusable", "gateway,stamped-balances,ageing",
	"stale-dictionary,whole-lines", "broken-years", "broken-years,no-book-year,page-cap",
	"late-books,other-books", "late-books,no-book-year,whole-lines", "broken-years,late-books,no-book-year,inactive-unknown",
}

// passing are those that go away.
var passing = []string{"error-200=2", "offline=3", "admin-blocked=2", "stale-token=1", "stall=1"}

// deaf are services that do not look at what says where a page begins, with the
// streams that are paged by it.
var deaf = map[string][]string{
	"lastkey-ignored": pagedBy(1), "lastkey-repeats": pagedBy(1), "pagenumber-ignored": pagedBy(2),
}

// pagedBy are the streams whose tables have a key of so many columns, and those that
// come with them.
func pagedBy(columns int) []string {
	keys := map[string]int{}
	for k := range tableSpecs {
		keys[tableSpecs[k].name] = len(strings.Fields(tableSpecs[k].key))
	}
	var out []string
	for k := range objects {
		if o := &objects[k]; o.stream != "" && keys[o.table] == columns {
			out = append(out, o.stream)
			if o.child != "" {
				out = append(out, o.child)
			}
			if o.stream == "articles" {
				out = append(out, short)
			}
		}
	}
	return out
}

// Switches are the faults that this stand-in carries out, with what each does.
func Switches() map[string]string { return maps.Clone(known) }

// switches are faults that a test turns on without the fault list of the
// sandbox: name, name=count, name@stream.
type switches struct {
	mu   sync.Mutex
	list []fault
}

type fault struct {
	name, target string
	left         int // below 0: for good
}

func newSwitches(words []string) (*switches, error) {
	s := &switches{}
	for _, word := range words {
		rest, target, _ := strings.Cut(word, "@")
		name, number, counts := strings.Cut(rest, "=")
		if known[name] == "" {
			return nil, fmt.Errorf("unknown fault %q", name)
		}
		f := fault{name: name, target: target, left: -1}
		if n, err := strconv.Atoi(number); counts && err == nil {
			f.left = n
		}
		s.list = append(s.list, f)
	}
	return s, nil
}

// on tells whether a fault is there for a stream; fires counts it.
func (s *switches) on(name, resource string, fires bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.list {
		f := &s.list[k]
		if f.name != name || f.target != "" && f.target != resource && !strings.HasPrefix(resource, f.target+"/") {
			continue
		}
		if f.left == 0 {
			continue
		}
		if fires && f.left > 0 {
			f.left--
		}
		return true
	}
	return false
}

// on tells whether a switch is set, for all streams or for one.
func (s *Service) on(fault, resource string) bool {
	return s.env.Share(fault, resource, 1) > 0 || s.switches.on(fault, resource, false)
}

// fires tells whether a fault happens at this request.
func (s *Service) fires(fault, resource string) bool {
	return s.env.Fires(fault, resource) || s.switches.on(fault, resource, true)
}

// share is the part of the rows of a stream that a fault alters. A table is
// named by the streams that read it.
func (s *Service) share(fault, table string, standard float64) float64 {
	for k := range objects {
		if o := &objects[k]; o.table == table && o.stream != "" {
			if part := s.env.Share(fault, o.stream, standard); part > 0 {
				return part
			}
		} else if o.lines == table {
			return s.env.Share(fault, o.child, standard)
		}
	}
	return 0
}

// Switched is the plugin with faults turned on by a test; into, if not nil, is
// set to what is opened.
func Switched(into **Service, faults ...string) emulator.Plugin {
	return emulator.Plugin{Name: source, Guesses: guesses, Passing: passing, Broken: deaf, Open: func(env emulator.Env) (emulator.Service, error) {
		s, err := open(env, faults)
		if err == nil && into != nil {
			*into = s
		}
		return s, err
	}}
}
