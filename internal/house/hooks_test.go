package house

import (
	"path"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// agreed is how many hooks a source may have, by the field that holds them. A
// hook is a function where the table could hold data: each is there for a fact
// of the vendor that no field tells. A function set at many places counts once.
// Origin is no hook: every source has one.
var agreed = map[string]map[string]int{
	"saasoptics": {"Classify": 1, "Settings.Check": 2},
	// Discover, Expand: modules are the account's own. Home, Judge, Origin: data
	// centres, and errors with 200. Read: credits follow from edition and users.
	// Roads: two ways beside the list, whose forms and prices differ.
	"zoho_crm": {
		"Classify": 1, "Settings.Check": 4, "Discover": 1, "Scopes.Expand": 2, "Auth.Origin": 1, "Auth.Judge": 1, "Auth.Home": 1, "Limits.Total.Read": 1,
		"Streams.Roads.Only": 1, "Streams.Roads.Count": 1, "Streams.Roads.Counted": 1,
		"Streams.Roads.Ways.Cost": 2, "Streams.Roads.Ways.Suits": 2, "Streams.Roads.Ways.Job.Open": 2,
	},
	// Open: the account tells its division and its clock. Instant, Filter,
	// Floor: times are readings of that clock, two kinds of cursor are filtered
	// in OData. Proof, Begin: row versions. Ignore: __deferred shows by its value.
	// Rights, Granted: lists are empty where rights lack. Schema: the vendor's own
	// model makes it.
	"exact_online": {
		"Schema": 1, "Classify": 1, "Settings.Check": 2, "Open": 1, "Scopes.Expand": 1, "Instant": 1, "Ignore": 1, "Rights": 1, "Granted": 1,
		"Streams.Cursor.Filter": 2, "Streams.Cursor.Floor": 1, "Streams.Cursor.Proof": 1,
		"Streams.Cursor.Begin.Ask": 1, "Streams.Cursor.Begin.Read": 1,
	},
	"slascone": {"Settings.Check": 2},
	// Discover: the company's dictionary tells its columns. Open: its code names
	// its number. Filter, Floor: dates are FoxPro literals of its clock. Appeal: the
	// words of a refusal for lack of a module are not known, its dictionary tells.
	"accountview": {
		"Classify": 1, "Discover": 1, "Appeal": 1, "Open": 1, "Zone": 1, "Settings.Check": 2, "Scopes.Expand": 3,
		"Streams.Cursor.Filter": 1, "Streams.Cursor.Floor": 1,
	},
	// Convert: ids come as text or number. Filter, Floor: days of the vendor's
	// clock. Job.Open: reports are tables inside an answer.
	"buchhaltungsbutler": {
		"Classify": 1, "Zone": 1, "Scopes.Expand": 1, "Streams.Convert": 1,
		"Streams.Cursor.Filter": 1, "Streams.Cursor.Floor": 1, "Streams.Job.Open": 2,
	},
}

func TestHooks(t *testing.T) {
	var total int
	for _, source := range all.Sources() {
		hooks := hooksOf(source)
		limits, ok := agreed[source.Name]
		if !ok {
			t.Errorf("%s: no number of hooks was agreed on", source.Name)
		}
		for _, field := range sorted(hooks) {
			total += len(hooks[field])
			t.Logf("%-20s %-16s %d  %s", source.Name, field, len(hooks[field]), strings.Join(sorted(hooks[field]), ", "))
			if len(hooks[field]) > limits[field] {
				t.Errorf("%s: %d functions in %s, agreed are %d: can a field of the table hold the fact? If not, raise the number with the fact in the commit",
					source.Name, len(hooks[field]), field, limits[field])
			}
		}
	}
	t.Logf("%d hooks in %d sources", total, len(all.Sources()))
}

// hooksOf finds the functions set in a table, by the field's path without
// indexes, then by the function's name; the value counts the places.
func hooksOf(source *stream.Source) map[string]map[string]int {
	found := map[string]map[string]int{}
	walk(reflect.ValueOf(*source), "", func(field string, fn reflect.Value) {
		if field == "Origin" {
			return
		}
		if found[field] == nil {
			found[field] = map[string]int{}
		}
		found[field][functionName(fn)]++
	})
	return found
}

// functionName is the function's own name; what its generator made of it when
// it is a literal.
func functionName(fn reflect.Value) string {
	pc := fn.Pointer()
	if f := runtime.FuncForPC(pc); f != nil {
		return path.Base(f.Name())
	}
	return strconv.FormatUint(uint64(pc), 16)
}

func walk(v reflect.Value, field string, visit func(string, reflect.Value)) {
	switch v.Kind() {
	case reflect.Func:
		if !v.IsNil() {
			visit(field, v)
		}
	case reflect.Pointer, reflect.Interface:
		// A time zone holds no hook, and neither does a schema.
		if !v.IsNil() && !slices.Contains([]string{"time", "singer"}, path.Base(v.Elem().Type().PkgPath())) {
			walk(v.Elem(), field, visit)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			walk(v.Index(i), field, visit)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			walk(it.Value(), field, visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if field != "" {
				name = field + "." + name
			}
			walk(v.Field(i), name, visit)
		}
	default: // data
	}
}

func TestHooksAreFound(t *testing.T) {
	convert := func(dst, _ []byte) ([]byte, bool) { return dst, true }
	got := hooksOf(&stream.Source{
		Origin:   func(stream.Config) string { return "" },
		Classify: func(*stream.Response) error { return nil },
		Settings: []stream.Setting{{Check: func(string) error { return nil }}, {Check: func(string) error { return nil }}},
		Streams: []stream.Stream{
			{Convert: map[string]func(dst, raw []byte) ([]byte, bool){"a": convert, "b": convert}},
			{Convert: map[string]func(dst, raw []byte) ([]byte, bool){"c": convert}, Cursor: &stream.Cursor{Filter: func(_ stream.Config, _, _ string) []stream.Param { return nil }}},
		},
	})
	want := map[string]int{"Classify": 1, "Settings.Check": 2, "Streams.Convert": 1, "Streams.Cursor.Filter": 1}
	for field, n := range want {
		if len(got[field]) != n {
			t.Errorf("%s: found %d functions, expected %d", field, len(got[field]), n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("found functions in %q, expected %q", sorted(got), sorted(want))
	}
}
