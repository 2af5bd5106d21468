package accountview

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// told answers every request by the object that it asks for.
type told struct {
	companies, administrations, files, fields []byte
	asked                                     int
}

func (a *told) Fetch(_ context.Context, req *stream.Request) (*stream.Response, error) {
	a.asked++
	body := a.companies
	for _, p := range req.Params {
		if p.Name == "BusinessObject" {
			body = map[string][]byte{"ADL": a.administrations, "DBF": a.files, "FLD": a.fields}[p.Value]
		}
	}
	if verdict := classify(&stream.Response{Status: 200, Body: body, URL: "https://host/api/v3/" + req.URL}); verdict != nil {
		return nil, verdict
	}
	return &stream.Response{Status: 200, Body: body, URL: "https://host/" + req.URL}, nil
}

// FuzzCompany reads what a company says of itself: the list of companies, its book
// years and its dictionary of tables and columns. Nothing is asked without end, years
// come once and in their order, columns have types and names that a record can have,
// those with secrets are not selected, and all else is a fault that says what to do.
func FuzzCompany(f *testing.F) {
	const list = `[{"Id":"{1}","Code":"DEMO","Description":"Demo"}]`
	for _, seed := range []string{
		list, `[{"Id":"a","Code":"A"},{"Id":"b","Code":"B"}]`, `[{"Id":"","Code":"A"}]`, `[]`, `{}`, ``,
		`{"ADM_LIST":[{"ADM_CODE":"A1","ADM_PREV":"","ADM_MODEL":false,"ATS_YEAR":"2025","BOOK_DATE":"2025-12-31T00:00:00"},{"ADM_CODE":"A2","ADM_PREV":"A1","BOOK_DATE":"2026-06-30T00:00:00"}]}`,
		`{"ADM_LIST":{"ADM_CODE":"A1","ATS_YEAR":2999}}`, `{"ADM_LIST":null}`, `{"ADM_LIST":[{"ATS_YEAR":" 2024 "},{"ATS_YEAR":"2024"},{"ATS_YEAR":-1},{"BOOK_DATE":"9999-12-31T00:00:00"}]}`,
		`{"DCT_FILE":[{"DBF_NAME":"CONTACT","OBJ_CODE":"AR1","OBJ_ACTIVE":true}]}`,
		`{"DCT_FLD":[{"DBF_NAME":"CONTACT","FIELD_NAME":"API_PWD","FIELD_TYPE":"C"},{"DBF_NAME":"CONTACT","FIELD_NAME":"X Y","FIELD_TYPE":"?"},{"DBF_NAME":"CONTACT","FIELD_NAME":"CONTACT_N","FIELD_TYPE":"T"}]}`,
		`{"ErrorType":"x","ErrorNumbers":null,"ErrorMessage":"Kolom ATS_YEAR bestaat niet"}`, `{"ErrorMessage":"Geen recht"}`,
	} {
		for which := range byte(4) {
			f.Add(which, []byte(seed), "2023-06-30,2024-06-30")
		}
	}
	good := told{
		companies:       []byte(list),
		administrations: []byte(`{"ADM_LIST":[{"ADM_CODE":"A1","ATS_YEAR":"2025","BOOK_DATE":"2025-12-31T00:00:00"}]}`),
		files:           []byte(`{"DCT_FILE":[{"DBF_NAME":"CONTACT","OBJ_CODE":"AR1","OBJ_ACTIVE":true}]}`),
		fields:          []byte(`{"DCT_FLD":[{"DBF_NAME":"CONTACT","FIELD_NAME":"MAIL_BUS","FIELD_TYPE":"C"}]}`),
	}
	f.Fuzz(func(t *testing.T, which byte, body []byte, dates string) {
		if len(body) > 1<<15 || len(dates) > 1<<10 {
			return
		}
		a := good
		*[]*[]byte{&a.companies, &a.administrations, &a.files, &a.fields}[which%4] = body
		config := map[string]string{"start_date": "2010-01-01T00:00:00Z"}
		if bookDates(dates) == nil {
			config[keyBookDates] = dates
		}
		c := stream.NewConfig(config)
		params, err := open(t.Context(), &a, c)
		require.Less(t, a.asked, 5000)
		if err != nil {
			helpful(t, err)
		} else {
			with := c.With(params)
			require.NotEmpty(t, with.Text(keyCompany))
			parts, err := years(t.Context(), &a, with)
			if err != nil {
				helpful(t, err)
			}
			last := 0
			for _, p := range parts {
				if p.Skip != "" {
					continue
				}
				var year int
				require.NoError(t, json.Unmarshal([]byte(p.Inject[0]), &year), "%q", p.Inject)
				require.Greater(t, year, last, "years come once and in their order")
				last = year
				_, err := time.Parse(time.DateOnly, p.Values[1].Value)
				require.NoError(t, err)
			}
		}
		a.asked = 0
		found, err := discover(t.Context(), &a, c, nil)
		require.Less(t, a.asked, 5000)
		if err != nil {
			helpful(t, err)
		}
		for i := range found {
			s := &found[i]
			for _, p := range s.Added {
				require.Regexp(t, plainName, p.Name)
				require.NotEmpty(t, p.Schema.Type)
				if secret.MatchString(p.Name) && !slices.Contains(s.Key, p.Name) {
					require.Contains(t, s.Hidden, p.Name)
				}
			}
		}
		a.asked = 0
		if parts, err := openItems(t.Context(), &a, c.With(params)); err != nil {
			helpful(t, err)
		} else {
			require.Len(t, parts, 1)
		}
	})
}

var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

func helpful(t *testing.T, err error) {
	t.Helper()
	e := fault.As(err)
	require.NotNil(t, e, "%v", err)
	require.NotEqual(t, fault.Internal, e.Kind)
	require.NotEmpty(t, e.Hint)
}
