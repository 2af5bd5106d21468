package zohocrm

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// readOf is a read of properties with these hints, of which "" is none.
func readOf(from, to string, hints map[string]string, names ...string) stream.Read {
	r := stream.Read{Config: stream.NewConfig(nil), From: from, To: to, Hint: func(name string) string {
		if name == "id" {
			return whole
		}
		return hints[name]
	}}
	for _, name := range append([]string{"id"}, names...) {
		r.Fields = append(r.Fields, stream.Property{Name: name, Schema: text()})
	}
	return r
}

const (
	morning = "2024-05-01T08:00:00+00:00"
	evening = "2024-05-01T20:00:00+00:00"
)

func TestHints(t *testing.T) {
	display := map[string]string{"Accounts": "Account_Name", "Products": "Product_Name", "Contacts": "Full_Name"}
	for field, want := range map[string]string{
		`{"api_name":"Tag","data_type":"text","json_type":"jsonarray"}`:                                                                                                             "tags",
		`{"api_name":"Territories","data_type":"text","json_type":"jsonarray"}`:                                                                                                     "json",
		`{"api_name":"Layout","data_type":"layout","json_type":"jsonobject"}`:                                                                                                       "layout",
		`{"api_name":"Remind_At","data_type":"ALARM","json_type":"jsonobject"}`:                                                                                                     "alarm",
		`{"api_name":"Recurring_Activity","data_type":"RRULE","json_type":"jsonobject"}`:                                                                                            "alarm",
		`{"api_name":"Owner","data_type":"ownerlookup","json_type":"jsonobject"}`:                                                                                                   "user",
		`{"api_name":"Owner","data_type":"ownerlookup","json_type":"string"}`:                                                                                                       "other ownerlookup",
		`{"api_name":"Profile","data_type":"profilelookup","json_type":"jsonobject"}`:                                                                                               "other profilelookup",
		`{"api_name":"Account_Name","data_type":"lookup","json_type":"jsonobject","lookup":{"module":{"api_name":"Accounts","id":"1"}}}`:                                            "lookup Accounts.Account_Name",
		`{"api_name":"What_Id","data_type":"lookup","json_type":"jsonobject","lookup":{"module":{"api_name":"Accounts"}}}`:                                                          "other lookup",
		`{"api_name":"Product_Name","data_type":"lookup","json_type":"jsonobject","lookup":{"module":{"api_name":"Products"}}}`:                                                     "other lookup",
		`{"api_name":"X","data_type":"lookup","json_type":"jsonobject","lookup":{"module":{"api_name":"Unknown"}}}`:                                                                 "other lookup",
		`{"api_name":"X","data_type":"lookup","json_type":"jsonobject","lookup":{}}`:                                                                                                "other lookup",
		`{"api_name":"X","data_type":"multi_module_lookup","json_type":"jsonobject","lookup":{"module":{"api_name":"Contacts"}}}`:                                                   "other multi_module_lookup",
		`{"api_name":"Interests","data_type":"multiselectpicklist","json_type":"jsonarray","pick_list_values":[{"display_value":"A"}]}`:                                             "list",
		`{"api_name":"I","data_type":"multiselectpicklist","json_type":"jsonarray","pick_list_values":[{"display_value":"A; B","actual_value":"C & \"D\""},{"display_value":"A"}]}`: `list ["A; B","C \u0026 \"D\"","A"]`,
		`{"api_name":"Tax","data_type":"multiselectpicklist","json_type":"jsonarray"}`:                                                                                              "json",
		`{"api_name":"Files","data_type":"fileupload","json_type":"jsonarray"}`:                                                                                                     "json",
		`{"api_name":"Photos","data_type":"imageupload","json_type":"jsonarray"}`:                                                                                                   "image",
		`{"api_name":"Budget","data_type":"currency","json_type":"jsonobject"}`:                                                                                                     "json",
		`{"api_name":"Mailing_Coordinates","data_type":"text"}`:                                                                                                                     "other text",
		`{"api_name":"Nr","data_type":"bigint","json_type":"string"}`:                                                                                                               "",
		`{"api_name":"Bio","data_type":"richtextarea","json_type":"string"}`:                                                                                                        "rich",
	} {
		var x metaField
		require.NoError(t, json.Unmarshal([]byte(field), &x))
		require.Equal(t, want, x.hint(display), field)
	}
	h := parseHint("lookup Accounts.Account_Name")
	require.Equal(t, "Account_Name", h.shown())
	require.Equal(t, []string{"A; B", `C & "D"`, "A"}, parseHint(`list ["A; B","C \u0026 \"D\"","A"]`).choices())
	require.Nil(t, parseHint("list").choices())

	m := metaModule{APIName: "CM1"}
	s := m.shaped([]metaField{{APIName: "Tag", DataType: "text", JSONType: "jsonarray"}, {APIName: "tag", DataType: "layout"}, {APIName: "Name", DataType: "text"}, {APIName: "Address", DataType: "address"}}, nil)
	require.Equal(t, map[string]string{"id": whole, "Tag": "tags"}, s.Hints)
	require.Nil(t, s.Schema.Property("Address"), "its parts have its values")
	require.Equal(t, map[string]string{"A": "Two"}, shown([]metaModule{{APIName: "A"}, {APIName: "B"}}, [][]metaField{{{APIName: "One"}, {APIName: "Two", Shown: true}, {APIName: "Three", Shown: true}}, {{APIName: "X"}}}))
}

func TestCount(t *testing.T) {
	for _, tt := range []struct {
		module, from, to string
		params           []stream.Param
	}{
		{"Deals", "", "", nil},
		{"Deals", morning, "", []stream.Param{{Name: "criteria", Value: "(Modified_Time:greater_equal:" + morning + ")"}}},
		{"Deals", "", evening, []stream.Param{{Name: "criteria", Value: "(Modified_Time:less_equal:" + evening + ")"}}},
		{"Leads", morning, evening, []stream.Param{{Name: "criteria", Value: "(Modified_Time:between:" + morning + "," + evening + ")"}, {Name: "converted", Value: "both"}}},
	} {
		req := roads(tt.module).Count(readOf(tt.from, tt.to, nil))
		require.Equal(t, tt.module+"/actions/count", req.URL)
		require.Equal(t, tt.params, req.Params)
	}
	for body, want := range map[string]int64{`{"count":0}`: 0, `{"count":12}`: 12, `{}`: -1, `{"count":-3}`: -1, `{"count":"x"}`: -1, `[]`: -1, ``: -1} {
		n, ok := counted(&stream.Response{Body: []byte(body)})
		require.Equal(t, want >= 0, ok, body)
		require.Equal(t, max(want, 0), n, body)
	}
	for method, want := range map[string]string{"": "", "auto": "", "list": "list", "bulk": "bulk"} {
		require.Equal(t, want, only(stream.NewConfig(map[string]string{"read_method": method})))
	}
}

// nobody has no users, tags and layouts.
type nobody struct{ asked []string }

func (n *nobody) Fetch(_ context.Context, r *stream.Request) (*stream.Response, error) {
	n.asked = append(n.asked, r.URL)
	return nil, stream.NoRows
}

func opened(t *testing.T, module string, r stream.Read) *stream.Job {
	t.Helper()
	j, err := roads(module).Ways[0].Job.Open(t.Context(), &nobody{}, r)
	require.NoError(t, err)
	return j
}

// bodyOf is the query of a job.
func bodyOf(t *testing.T, req *stream.Request, err error) string {
	t.Helper()
	require.NoError(t, err)
	require.NotNil(t, req)
	require.Equal(t, "POST /crm/bulk/v8/read bulk", req.Method+" "+req.URL+" "+req.Resource)
	require.Equal(t, 50, req.Cost)
	require.Len(t, req.Params, 1)
	require.True(t, req.Params[0].Raw)
	require.Equal(t, "query", req.Params[0].Name)
	return req.Params[0].Value
}

func TestCreate(t *testing.T) {
	for _, tt := range []struct{ from, to, criteria string }{
		{"", "", ""},
		{morning, "", `,"criteria":{"field":{"api_name":"Modified_Time"},"comparator":"greater_equal","value":"` + morning + `"}`},
		{"", evening, `,"criteria":{"field":{"api_name":"Modified_Time"},"comparator":"less_equal","value":"` + evening + `"}`},
		{morning, evening, `,"criteria":{"field":{"api_name":"Modified_Time"},"comparator":"between","value":["` + morning + `","` + evening + `"]}`},
	} {
		r := readOf(tt.from, tt.to, map[string]string{"Account_Name": "lookup Accounts.Account_Name"}, "Last_Name", "Account_Name", "Modified_Time")
		req, err := opened(t, "Contacts", r).Create(r)
		require.JSONEq(t, `{"module":{"api_name":"Contacts"},"fields":["Last_Name","Account_Name","Account_Name.Account_Name","Modified_Time"]`+tt.criteria+`,"page":1}`, bodyOf(t, req, err))
	}
	r := readOf("", "", nil)
	req, err := opened(t, "Contacts", r).Create(r)
	require.Contains(t, bodyOf(t, req, err), `"fields":["id"]`, "none would be all")
}

func answered(body string) *stream.Response { return &stream.Response{Status: 200, Body: []byte(body)} }

// The shapes of the vendor's documents.
const (
	added     = `{"data":[{"status":"success","code":"ADDED_SUCCESSFULLY","message":"Added successfully.","details":{"id":"554023000000568002","operation":"read","state":"ADDED","created_by":{"id":"1","name":"n"},"created_time":"2024-05-01T08:00:00+00:00"}}],"info":{}}`
	polled    = `{"data":[{"id":"554023000000568002","operation":"read","state":"STATE","result":RESULT,"query":{"module":{"api_name":"Contacts"}},"file_type":"csv"}]}`
	complete  = `{"page":1,"per_page":200000,"count":3,"download_url":"/crm/bulk/v8/read/554023000000568002/result","more_records":false,"next_page_token":null}`
	unstarted = `{"page":1,"per_page":200000,"count":0,"more_records":false}`
)

func state(name, result string) *stream.Response {
	return answered(strings.NewReplacer("STATE", name, "RESULT", result).Replace(polled))
}

func TestPoll(t *testing.T) {
	job := opened(t, "Contacts", readOf("", "", nil, "Last_Name"))
	for _, r := range []*stream.Response{answered(added), state("ADDED", "null"), state("QUEUED", unstarted), state("IN PROGRESS", unstarted)} {
		step, err := job.Poll(r)
		require.NoError(t, err)
		require.Equal(t, &stream.Request{URL: "/crm/bulk/v8/read/554023000000568002", Resource: "bulk"}, step.Ask, "%s", r.Body)
		require.Equal(t, 5*time.Second, step.After)
		require.Nil(t, step.Download)
	}
	step, err := job.Poll(state("COMPLETED", complete))
	require.NoError(t, err)
	require.Equal(t, stream.Step{Download: &stream.Request{URL: "/crm/bulk/v8/read/554023000000568002/result", Resource: "bulk_download"}, Rows: 3}, step)

	for kind, list := range map[fault.Kind][]*stream.Response{
		fault.Transient: {state("FAILURE", `{"error_message":"no luck"}`)},
		fault.Contract: {
			answered("[]"), answered(`{"data":[]}`), answered(`{"data":[{}]}`), answered(`{"data":[{"details":{"id":"../x"}}]}`), state("LOST", "null"),
			state("COMPLETED", "null"), state("COMPLETED", `{"count":3}`), answered(`{"data":[{"status":"error","code":"INVALID_DATA"}]}`),
		},
	} {
		for _, r := range list {
			_, err := job.Poll(r)
			require.Equal(t, kind, fault.KindOf(err), "%s", r.Body)
		}
	}
	_, err = job.Poll(state("FAILURE", `{"error_message":"no luck"}`))
	require.ErrorContains(t, err, "no luck")
	_, err = job.Poll(state("COMPLETED", unstarted))
	require.ErrorIs(t, err, stream.NoRows)
}

func TestMore(t *testing.T) {
	r := readOf("", "", nil, "Last_Name")
	job := opened(t, "Contacts", r)
	req, err := job.Table.More(state("COMPLETED", strings.Replace(complete, `"more_records":false`, `"more_records":true`, 1)))
	require.JSONEq(t, `{"module":{"api_name":"Contacts"},"fields":["Last_Name"],"page":2}`, bodyOf(t, req, err))
	req, err = job.Table.More(state("COMPLETED", `{"count":3,"more_records":true,"next_page_token":"abc","download_url":"/x"}`))
	require.JSONEq(t, `{"page_token":"abc"}`, bodyOf(t, req, err), "alone")
	req, err = job.Table.More(state("COMPLETED", complete))
	require.NoError(t, err)
	require.Nil(t, req)
	_, err = job.Table.More(answered("{}"))
	require.Equal(t, fault.Contract, fault.KindOf(err))
}

// counting answers how many leads are converted.
type counting struct {
	body string
	err  error
}

func (c counting) Fetch(_ context.Context, r *stream.Request) (*stream.Response, error) {
	if c.err != nil || !strings.HasSuffix(r.URL, "/actions/count") {
		return nil, c.err
	}
	return answered(c.body), nil
}

// Of leads there are two jobs, one after the other.
func TestLeads(t *testing.T) {
	r := readOf(morning, "", nil, "Last_Name")
	open := func(c counting) (*stream.Job, error) { return roads("Leads").Ways[0].Job.Open(t.Context(), c, r) }
	const part = `{"module":{"api_name":"Leads"},"fields":["Last_Name"],"criteria":{"group_operator":"and","group":[` +
		`{"field":{"api_name":"Modified_Time"},"comparator":"greater_equal","value":"` + morning + `"},{"field":{"api_name":"Converted__s"},"comparator":"equal","value":WHICH}]},"page":1}`
	converted := strings.Replace(part, "WHICH", "true", 1)

	job, err := open(counting{body: `{"count":4}`})
	require.NoError(t, err)
	req, err := job.Create(r)
	require.JSONEq(t, strings.Replace(part, "WHICH", "false", 1), bodyOf(t, req, err))
	req, err = job.Table.More(state("COMPLETED", complete))
	require.JSONEq(t, converted, bodyOf(t, req, err))
	req, err = job.Table.More(state("COMPLETED", complete))
	require.NoError(t, err)
	require.Nil(t, req)

	// None that is open: on to the others. None at all of those that are known to
	// be there, or about which nothing is known: files do not give them.
	for body, kind := range map[string]fault.Kind{`{"count":4}`: fault.Refused, `{}`: fault.Refused, `{"count":0}`: -1} {
		job, err := open(counting{body: body})
		require.NoError(t, err)
		step, err := job.Poll(state("COMPLETED", unstarted))
		require.NoError(t, err)
		require.JSONEq(t, converted, bodyOf(t, step.Ask, nil))
		_, err = job.Poll(state("COMPLETED", unstarted))
		if kind < 0 {
			require.ErrorIs(t, err, stream.NoRows)
		} else {
			require.Equal(t, kind, fault.KindOf(err))
		}
	}
	for _, err := range []error{fault.New(fault.Refused, "x", ""), fault.New(fault.Permission, "x", "")} {
		job, err := open(counting{err: err})
		require.NoError(t, err)
		require.NotNil(t, job)
	}
	for _, bad := range []error{errors.New("x"), fault.New(fault.Transient, "x", ""), &fault.Error{Kind: fault.Permission, Whole: true}} {
		_, err := open(counting{err: bad})
		require.ErrorIs(t, err, bad)
	}
}

func TestColumns(t *testing.T) {
	v := &vendor{answers: map[string]string{
		"users AllUsers 1 200":      `{"users":[{"id":"7","full_name":"Zoë \"Z\"","email":"z@x.example"}],"info":{"more_records":true}}`,
		"users AllUsers 2 200":      `{"users":[{"id":"8","full_name":null,"email":null}],"info":{"more_records":false}}`,
		"users DeletedUsers 1 200":  `{"users":[{"id":"9","full_name":"Gone","email":"g@x.example"}]}`,
		"settings/tags Contacts":    `{"tags":[{"name":"a","id":"1","color_code":null,"created_by":{}},{"name":"b;c","id":"2","color_code":"#FFF"},{"name":"b","id":"3","color_code":null},{"name":"c;d","id":"4","color_code":null},{"name":"d","id":"5","color_code":null}]}`,
		"settings/layouts Contacts": `{"layouts":[{"id":"11","name":"Standard","api_name":"S"}]}`,
	}}
	hints := map[string]string{
		"Owner": "user", "Tag": "tags", "Layout": "layout", "Account_Name": "lookup Accounts.Account_Name", "Interests": "list", "Areas": `list ["x","y; z"]`,
		"Files": "json", "Photos": "image", "Remind_At": "alarm",
	}
	r := readOf("", "", hints, "Owner", "Tag", "Layout", "Account_Name", "Interests", "Areas", "Files", "Photos", "Remind_At", "Plain")
	job, err := roads("Contacts").Ways[0].Job.Open(t.Context(), v, r)
	require.NoError(t, err)
	require.Equal(t, []string{"users AllUsers 1 200", "users AllUsers 2 200", "users DeletedUsers 1 200", "settings/tags Contacts", "settings/layouts Contacts"}, v.asked)
	cols, err := job.Table.Columns([]string{"Id", "Owner", "Tag", "Layout", "Account_Name", "Account_Name.Account_Name", "Interests", "Areas", "Files", "Photos", "Remind_At", "Plain", "Unasked", "Owner.email"}, r.Fields)
	require.NoError(t, err)
	byName := map[string]stream.Column{}
	var names []string
	for _, c := range cols {
		byName[c.Name+"."+c.Inner] = c
		names = append(names, c.Name+"."+c.Inner)
	}
	require.Equal(t, []string{"id.", "Owner.", "Tag.", "Layout.", "Account_Name.id", "Account_Name.name", "Interests.", "Areas.", "Files.", "Photos.", "Remind_At.", "Plain.", ".", "."}, names)
	require.Equal(t, ";", byName["Interests."].Separator)
	for _, tt := range []struct{ column, text, want string }{
		{"Owner.", "7", `{"name":"Zoë \"Z\"","id":"7","email":"z@x.example"}`},
		{"Owner.", "8", `{"name":null,"id":"8","email":null}`},
		{"Owner.", "9", `{"name":"Gone","id":"9","email":"g@x.example"}`},
		{"Owner.", "", `null`},
		{"Owner.", "10", ""},
		{"Owner.", "Zoë", ""},
		{"Tag.", "", `[]`},
		{"Tag.", "a", `[{"name":"a","id":"1","color_code":null}]`},
		{"Tag.", "b;c", `[{"name":"b;c","id":"2","color_code":"#FFF"}]`}, // there is no c
		{"Tag.", "a;b;c", `[{"name":"a","id":"1","color_code":null},{"name":"b;c","id":"2","color_code":"#FFF"}]`},
		{"Tag.", "b;c;d", ""}, // b;c and d, or b and c;d
		{"Tag.", "a;x", ""},
		{"Tag.", ";a", ""},
		{"Layout.", "11", `{"name":"Standard","id":"11"}`},
		{"Layout.", `{"name":"Standard","id":"11"}`, `{"name":"Standard","id":"11"}`},
		{"Layout.", "12", ""},
		{"Layout.", "", "null"},
		{"Areas.", "", "null"},
		{"Areas.", "x", `["x"]`},
		{"Areas.", "never told", `["never told"]`},
		{"Areas.", "y; z;x", `["y; z","x"]`},
		{"Areas.", "x;never told", ""},
		{"Files.", "", "null"},
		{"Files.", `[{"id":"1"}]`, `[{"id":"1"}]`},
		{"Files.", `{"a":1}`, `{"a":1}`},
		{"Files.", `{"a":1} `, ""},
		{"Files.", `{"a":`, ""},
		{"Files.", `12`, ""},
		{"Files.", `offer.pdf`, ""},
		{"Photos.", `[]`, `[]`},
		{"Photos.", `7`, ``},
		{"Remind_At.", `FREQ="x"`, `"FREQ=\"x\""`},
		{"Remind_At.", `{"ALARM":"x"}`, `{"ALARM":"x"}`},
		{"Remind_At.", `{ALARM}`, `"{ALARM}"`},
		{"Remind_At.", ``, `null`},
	} {
		got, ok := byName[tt.column].Value([]byte("_"), []byte(tt.text))
		require.Equal(t, tt.want != "", ok, "%s %s", tt.column, tt.text)
		if ok {
			require.Equal(t, "_"+tt.want, string(got), "%s %s", tt.column, tt.text)
		}
	}
	_, ok := byName["Tag."].Value(nil, []byte(strings.Repeat("a;", 2000)+"a"))
	require.False(t, ok, "more than any row has")
	require.Nil(t, byName["Plain."].Value)

	// Nothing is asked for what is not wanted.
	v.asked = nil
	_, err = roads("Contacts").Ways[0].Job.Open(t.Context(), v, readOf("", "", hints, "Plain", "Account_Name"))
	require.NoError(t, err)
	require.Empty(t, v.asked)
	for _, what := range []string{"Owner", "Tag", "Layout"} {
		for _, bad := range []counting{{err: errors.New("x")}} {
			_, err = roads("Contacts").Ways[1].Job.Open(t.Context(), bad, readOf("", evening, hints, what))
			require.Error(t, err, what)
		}
		v.answers["users AllUsers 1 200"], v.answers["settings/tags Contacts"], v.answers["settings/layouts Contacts"] = `{"users":3}`, `{"tags":3}`, `[]`
		_, err = roads("Contacts").Ways[0].Job.Open(t.Context(), v, readOf("", "", hints, what))
		require.Equal(t, fault.Contract, fault.KindOf(err), what)
	}
}
