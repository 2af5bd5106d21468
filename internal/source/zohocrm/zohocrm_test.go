package zohocrm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
	"github.com/tap-backoffice/tap-backoffice/schemas"
)

func TestTable(t *testing.T) {
	src := Source()
	require.Empty(t, src.Validate(func(s *stream.Stream) (*singer.Schema, error) {
		if s.Schema != nil {
			return s.Schema, nil
		}
		raw, err := schemas.File(src.Name, s.Name)
		if err != nil {
			return nil, err
		}
		return singer.ParseSchema(raw)
	}))
	var selected []string
	for i := range src.Streams {
		if src.Streams[i].Selected {
			selected = append(selected, src.Streams[i].Name)
		}
	}
	require.Equal(t, []string{"currencies", "organization", "profiles", "roles", "territories", "users", "deleted_records"}, selected)
}

// Every stream has a schema, every schema a stream.
func TestAllStreams(t *testing.T) {
	files, err := fs.Glob(schemas.FS, "zoho_crm/*.json")
	require.NoError(t, err)
	require.Len(t, files, 75)
	var names []string
	for _, s := range Source().Streams {
		names = append(names, "zoho_crm/"+s.Name+".json")
	}
	require.ElementsMatch(t, files, names)
}

func TestHosts(t *testing.T) {
	src := Source()
	for want, c := range map[string]map[string]string{
		"https://www.zohoapis.com https://accounts.zoho.com":          {"region": "us", "environment": "production"},
		"https://www.zohoapis.com.au https://accounts.zoho.com.au":    {"region": "au", "environment": "production"},
		"https://sandbox.zohoapis.eu https://accounts.zoho.eu":        {"region": "eu", "environment": "sandbox"},
		"https://developer.zohoapis.ca https://accounts.zohocloud.ca": {"region": "ca", "environment": "developer"},
		"https://www.zohoapis.in https://accounts.example.org/zoho":   {"region": "in", "environment": "production", "accounts_url": "https://accounts.example.org/zoho"},
	} {
		conf := stream.NewConfig(c)
		require.Equal(t, want, src.Origin(conf)+" "+accounts(conf))
	}
}

// The type table of the dossier: data_type and json_type to type and format.
func TestFields(t *testing.T) {
	for field, want := range map[string]string{
		`{"data_type":"text","json_type":"string"}`:                                         `{"type": ["null", "string"]}`,
		`{"data_type":"picklist","json_type":"string"}`:                                     `{"type": ["null", "string"]}`,
		`{"data_type":"bigint","json_type":"string"}`:                                       `{"type": ["null", "string"]}`,
		`{"data_type":"autonumber","json_type":"string"}`:                                   `{"type": ["null", "string"]}`,
		`{"data_type":"text","json_type":"jsonarray"}`:                                      `{"type": ["null", "string"]}`,
		`{"data_type":"integer","json_type":"integer"}`:                                     `{"type": ["null", "integer"]}`,
		`{"data_type":"double","json_type":"double"}`:                                       `{"type": ["null", "number"]}`,
		`{"data_type":"currency","json_type":"double"}`:                                     `{"type": ["null", "number"]}`,
		`{"data_type":"currency","json_type":"jsonobject"}`:                                 `{"type": ["null", "string"]}`,
		`{"data_type":"boolean","json_type":"boolean"}`:                                     `{"type": ["null", "boolean"]}`,
		`{"data_type":"date","json_type":"string"}`:                                         `{"type": ["null", "string"], "format": "date"}`,
		`{"data_type":"datetime","json_type":"string"}`:                                     `{"type": ["null", "string"], "format": "date-time"}`,
		`{"data_type":"event_reminder","json_type":"string"}`:                               `{"type": ["null", "string"], "format": "date-time"}`,
		`{"data_type":"multiselectpicklist","json_type":"jsonarray"}`:                       `{"type": ["null", "array"], "items": {"type": ["null", "string"]}}`,
		`{"api_name":"Tax","data_type":"multiselectpicklist","json_type":"jsonarray"}`:      `{"type": ["null", "string"]}`,
		`{"data_type":"lookup","json_type":"jsonobject"}`:                                   `{"type": ["null", "object"], "properties": {"id": {"type": ["null", "string"]}, "name": {"type": ["null", "string"]}}}`,
		`{"data_type":"ownerlookup","json_type":"jsonobject"}`:                              `{"type": ["null", "object"], "properties": {"id": {"type": ["null", "string"]}, "name": {"type": ["null", "string"]}, "email": {"type": ["null", "string"]}}}`,
		`{"data_type":"ownerlookup","json_type":"string"}`:                                  `{"type": ["null", "string"]}`,
		`{"data_type":"formula","json_type":"double","formula":{"return_type":"currency"}}`: `{"type": ["null", "number"]}`,
		`{"data_type":"formula","json_type":"string","formula":{"return_type":"date"}}`:     `{"type": ["null", "string"], "format": "date"}`,
		`{"data_type":"formula","json_type":"string","formula":{}}`:                         `{"type": ["null", "string"]}`,
		`{"data_type":"rollup_summary","rollup_summary":{"return_type":"integer"}}`:         `{"type": ["null", "integer"]}`,
		`{"data_type":"RRULE","json_type":"jsonobject"}`:                                    `{"type": ["null", "string"]}`,
		`{"data_type":"fileupload","json_type":"jsonarray"}`:                                `{"type": ["null", "string"]}`,
		`{"data_type":"something_new"}`:                                                     `{"type": ["null", "string"]}`,
	} {
		var x metaField
		require.NoError(t, json.Unmarshal([]byte(field), &x))
		require.JSONEq(t, want, string(x.schema().AppendJSON(nil)), field)
	}
}

func TestShaped(t *testing.T) {
	no := false
	m := metaModule{APIName: "CM1"}
	s := m.shaped([]metaField{
		{APIName: "First_Name", DataType: "text"},
		{APIName: "Lines", DataType: "subform"},
		{APIName: "Friends", DataType: "multiselectlookup"},
		{APIName: "Hidden", DataType: "text", Visible: &no},
		{APIName: "first_name", DataType: "text"},
		{APIName: ""},
		{APIName: "Modified_Time", DataType: "datetime"},
	}, nil)
	var names []string
	for _, p := range s.Schema.Properties {
		names = append(names, p.Name)
	}
	require.Equal(t, []string{"id", "First_Name", "Modified_Time"}, names)
	require.Equal(t, "cm1", s.Name)
	require.Equal(t, "Modified_Time", s.Cursor.Field)
	m = metaModule{APIName: "Lower"}
	s = m.shaped([]metaField{{APIName: "Name", DataType: "text"}, {APIName: "modified_time", DataType: "datetime"}}, nil)
	require.Equal(t, "modified_time", s.Cursor.Field)
	require.False(t, s.Cursor.Filtered(), "whether a filter knows it is not documented")
	require.Equal(t, []string{"id", "modified_time"}, s.Chunked.Always)
	require.Contains(t, s.Params, stream.Param{Name: "sort_by", Value: "id"})
	require.Nil(t, s.Roads)
	m = metaModule{APIName: "Timeless"}
	s = m.shaped([]metaField{{APIName: "Name", DataType: "text"}}, nil)
	require.Nil(t, s.Cursor)
	require.Equal(t, []string{"id"}, s.Chunked.Always)
}

func TestNamesThatCollide(t *testing.T) {
	found := []metaModule{{ID: "7300000000002102", APIName: "Site_Visits"}, {ID: "7300000000002105", APIName: "site_visits"}, {ID: "1", APIName: "Leads"}}
	distinguish(found)
	require.Equal(t, []string{"site_visits_002102", "site_visits_002105", "leads"}, []string{found[0].stream(), found[1].stream(), found[2].stream()})
}

// TestModulesNamedLikeStreams: a module takes no stream over that is none; those
// that are modules are theirs.
func TestModulesNamedLikeStreams(t *testing.T) {
	answers := []string{}
	want := []string{}
	for i, name := range []string{
		"Holidays", "Portals", "Roles", "Currencies", "Users", "Territories", "Timelines", "Modules", "Deleted_Records", "Records",
		"Leads", "Notes", "Attachments", "Quoted_Items", "DealHistory", "CM1",
	} {
		id := fmt.Sprint(7300000000002100 + i)
		answers = append(answers, fmt.Sprintf(`{"id":%q,"api_name":%q,"api_supported":true}`, id, name))
		if name = strings.ToLower(name); i < 10 {
			name += "_" + id[len(id)-6:]
		}
		want = append(want, name)
	}
	v := &vendor{answers: map[string]string{"settings/modules": `{"modules":[` + strings.Join(answers, ",") + `]}`}}
	for _, a := range answers {
		name := strings.Split(a, `"`)[7]
		v.answers["settings/fields "+name+" all"] = `{"fields":[{"api_name":"Name","data_type":"text"},{"api_name":"Modified_Time","data_type":"datetime"}]}`
	}
	found, err := discover(t.Context(), v, stream.Config{}, nil)
	require.NoError(t, err)
	src := Source()
	before := map[string]string{}
	for i := range src.Streams {
		before[src.Streams[i].Name] = src.Streams[i].Path
	}
	var names []string
	for i := range found {
		names = append(names, found[i].Name)
		if path, ok := before[found[i].Name]; ok {
			require.Equal(t, path, found[i].Path, found[i].Name)
		}
	}
	require.Equal(t, want, names)
	require.Equal(t, "holidays_2", distinguished("1002", "Holidays"), "of a short id, what tells it apart")
}

func distinguished(id, name string) string {
	found := []metaModule{{ID: id, APIName: name}}
	distinguish(found)
	return found[0].stream()
}

func TestClassify(t *testing.T) {
	code := func(status int, path, code string) error {
		return classify(&stream.Response{Status: status, URL: "https://host/crm/v8/" + path, Body: []byte(`{"code":"` + code + `","details":{},"message":"m","status":"error"}`)})
	}
	require.NoError(t, code(200, "Leads", ""))
	require.NoError(t, code(500, "Leads", "INTERNAL_ERROR"))
	require.ErrorIs(t, code(401, "Leads", "INVALID_TOKEN"), stream.Stale)
	require.ErrorIs(t, code(401, "Leads", "AUTHENTICATION_FAILURE"), stream.Stale)
	for _, c := range []string{"INVALID_MODULE", "FEATURE_NOT_ENABLED", "NO_PERMISSION"} {
		require.Equal(t, fault.Permission, fault.KindOf(code(400, "Leads", c)), c)
		require.ErrorIs(t, code(400, "settings/fields", c), stream.SkipParent)
	}
	require.Equal(t, fault.Permission, fault.KindOf(code(401, "Leads", "OAUTH_SCOPE_MISMATCH")))
	require.Equal(t, fault.Permission, fault.KindOf(code(403, "Notes", "NOT_SUPPORTED")))
	require.ErrorIs(t, code(400, "settings/pipeline", "INVALID_DATA"), stream.NoRows)
	refused := classify(&stream.Response{Status: 400, URL: "https://host/crm/v8/Leads", Body: []byte(`{"code":"LIMIT_EXCEEDED","details":{"limit":20,"param_name":"ids"},"message":"too many","status":"error"}`)})
	require.EqualError(t, refused, "https://host/crm/v8/Leads answered 400 Bad Request: LIMIT_EXCEEDED (too many), param_name ids, limit 20")
	many, ok := errors.AsType[*stream.TooMany](refused)
	require.True(t, ok)
	require.Equal(t, 20, many.Limit)
	require.Equal(t, fault.Refused, fault.KindOf(code(400, "Leads", "INVALID_DATA")))
	require.Equal(t, 404, fault.As(code(404, "Nothing", "INVALID_URL_PATTERN")).Status)
	require.ErrorIs(t, code(400, "Leads/12", "INVALID_DATA"), stream.NoRows, "it went")
	require.ErrorIs(t, code(404, "Leads/12", "RESOURCE_NOT_FOUND"), stream.NoRows)
	require.Equal(t, fault.Refused, fault.KindOf(code(404, "Leads/12", "INVALID_URL_PATTERN")))
	require.NoError(t, code(400, "Leads/actions/count", "LIMIT_REACHED"), "a count may fail")
	for _, list := range []string{"__timeline", "Emails", "Attachments", "Contact_Roles"} {
		url := "https://host/crm/v8/Deals/12/" + list
		require.ErrorIs(t, classify(&stream.Response{Status: 400, URL: url, Body: []byte(`{"code":"INVALID_DATA","details":{"resource_path_index":1}}`)}), stream.SkipParent)
		require.ErrorIs(t, classify(&stream.Response{Status: 400, URL: url, Body: []byte(`{"code":"INVALID_DATA","details":[]}`)}), stream.SkipParent)
		require.Equal(t, fault.Permission, fault.KindOf(classify(&stream.Response{Status: 400, URL: url, Body: []byte(`{"code":"INVALID_DATA","details":{"resource_path_index":2}}`)})))
	}
	wrapped := classify(&stream.Response{Status: 400, URL: "https://host/crm/v8/Leads/deleted", Body: []byte(`{"data":[{"code":"NO_PERMISSION","message":"m"}]}`)})
	require.Equal(t, fault.Permission, fault.KindOf(wrapped))
	require.NoError(t, classify(&stream.Response{Status: 404, URL: "https://host/", Body: []byte("<html>")}))
}

func TestJudgeToken(t *testing.T) {
	require.NoError(t, judgeToken(&stream.Response{Body: []byte(`{"access_token":"x"}`)}))
	for _, body := range []string{`{"error":"Access Denied","status":"failure"}`, `{"error_description":"您的请求过于频繁","status":"failure"}`} {
		require.Equal(t, fault.Quota, fault.KindOf(judgeToken(&stream.Response{Status: http.StatusOK, Body: []byte(body)})))
	}
}

// vendor answers from memory.
type vendor struct {
	answers map[string]string

	mu    sync.Mutex // modules are asked about side by side
	asked []string
}

func (v *vendor) Fetch(_ context.Context, r *stream.Request) (*stream.Response, error) {
	what := r.URL
	for _, p := range r.Params {
		what += " " + p.Value
	}
	v.mu.Lock()
	v.asked = append(v.asked, what)
	v.mu.Unlock()
	body, ok := v.answers[what]
	if !ok {
		return nil, stream.NoRows
	}
	return &stream.Response{Status: 200, Body: []byte(body)}, nil
}

func TestDiscover(t *testing.T) {
	v := &vendor{answers: map[string]string{
		"settings/modules": `{"modules":[{"id":"1","api_name":"Leads","api_supported":true},{"id":"2","api_name":"CM1","api_supported":true},
			{"id":"3","api_name":"Visits","api_supported":true},{"id":"4","api_name":"Off","api_supported":false},{"id":"5","api_name":"Empty","api_supported":true}]}`,
		"settings/fields Leads all": `{"fields":[{"api_name":"Last_Name","data_type":"text"},{"api_name":"Modified_Time","data_type":"datetime"}]}`,
		"settings/fields CM1 all":   `{"fields":[{"api_name":"Name","data_type":"text"}]}`,
	}}
	found, err := discover(t.Context(), v, stream.Config{}, nil)
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, "leads cm1", found[0].Name+" "+found[1].Name)
	require.True(t, found[0].Selected)
	require.Contains(t, found[0].Params, stream.Param{Name: "converted", Value: "both"})
	require.Len(t, v.asked, 4, "the modules, and the fields of three")

	v.asked = nil
	found, err = discover(t.Context(), v, stream.Config{}, func(name string) *stream.Schema {
		return map[string]*stream.Schema{
			"leads": {Properties: []stream.Property{{Name: "id", Schema: instant()}, {Name: "Modified_Time", Schema: instant()}}},
			"cm1":   {Properties: []stream.Property{{Name: "id", Schema: text()}, {Name: "Name", Schema: text()}}},
		}[name]
	})
	require.NoError(t, err)
	require.Len(t, found, 2, "what the catalog lacks is not read")
	require.Nil(t, found[0].Schema)
	require.NotNil(t, found[0].Cursor)
	require.Nil(t, found[1].Cursor, "without Modified_Time it is read whole")
	require.Equal(t, []string{"settings/modules"}, v.asked, "a catalog has the fields")
	found, err = discover(t.Context(), v, stream.Config{}, func(name string) *stream.Schema {
		return map[string]*stream.Schema{"cm1": {Properties: []stream.Property{{Name: "modified_time", Schema: instant()}}}}[name]
	})
	require.NoError(t, err)
	require.Equal(t, "modified_time", found[0].Cursor.Field)
	require.False(t, found[0].Optional, "404 of what discovery found is fatal")

	parts, err := partitions(t.Context(), v, stream.Config{})
	require.NoError(t, err)
	require.Equal(t, "Leads CM1 Empty", strings.Join([]string{parts[0].ID, parts[1].ID, parts[2].ID}, " "))
	require.Equal(t, []string{`"Leads"`}, parts[0].Inject)

	v.answers["settings/modules"] = `{"modules":3}`
	_, err = discover(t.Context(), v, stream.Config{}, nil)
	require.Equal(t, fault.Contract, fault.KindOf(err))
}

// TestDiscoveryCalls: one call tells the modules, one more each of them.
// fetcher is a function that answers requests.
type fetcher func(context.Context, *stream.Request) (*stream.Response, error)

// Fetch implements stream.Fetcher.
func (f fetcher) Fetch(ctx context.Context, req *stream.Request) (*stream.Response, error) {
	return f(ctx, req)
}

// TestDiscoveryEnds: one that is stopped once the modules are known has not found an
// account without any.
func TestDiscoveryEnds(t *testing.T) {
	t.Parallel()
	answers := told{
		"modules": []byte(`{"modules":[{"id":"1","api_name":"Leads","api_supported":true,"generated_type":"default"}]}`),
		"fields":  []byte(`{"fields":[{"api_name":"Last_Name","data_type":"text"}]}`),
	}
	for range 100 { // which of two events is seen first is chance
		ctx, stop := context.WithCancelCause(t.Context())
		why := errors.New("the run is over")
		found, err := discover(ctx, fetcher(func(ctx context.Context, req *stream.Request) (*stream.Response, error) {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if req.Resource == "modules" {
				defer stop(why)
			}
			return answers.Fetch(ctx, req)
		}), stream.NewConfig(nil), nil)
		require.ErrorIs(t, err, why)
		require.Nil(t, found)
	}
}

func TestDiscoveryCalls(t *testing.T) {
	v := &vendor{answers: map[string]string{}}
	var list []string
	for i := range 200 {
		list = append(list, fmt.Sprintf(`{"id":"%d","api_name":"Custom_%d","api_supported":true}`, i+1, i+1))
		v.answers[fmt.Sprintf("settings/fields Custom_%d all", i+1)] = `{"fields":[{"api_name":"Name","data_type":"text"},{"api_name":"Modified_Time","data_type":"datetime"}]}`
	}
	v.answers["settings/modules"] = `{"modules":[` + strings.Join(list, ",") + `]}`
	found, err := discover(t.Context(), v, stream.Config{}, nil)
	require.NoError(t, err)
	require.Len(t, found, 200)
	require.Equal(t, "custom_200", found[199].Name, "in the vendor's order, whoever answers first")
	t.Logf("%d calls for 200 modules", len(v.asked))
	require.LessOrEqual(t, len(v.asked), 210)
}

func TestChecks(t *testing.T) {
	for v, good := range map[string]bool{"0": true, "12.5": true, "99": true, "100": false, "-1": false, "x": false, "NaN": false} {
		require.Equal(t, good, share(v) == nil, v)
	}
	require.NoError(t, oneOf(centres)("eu"))
	require.Error(t, oneOf(centres)("mars"))
	require.Equal(t, "2026-11-22T01:02:03+00:00", time.Date(2026, 11, 22, 1, 2, 3, 9, time.UTC).Format(layout))
	require.ErrorIs(t, share("x"), errShare)
}
