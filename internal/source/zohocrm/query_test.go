package zohocrm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// rowsAt are rows of a query, "second id" each.
func rowsAt(more bool, list ...string) []byte {
	var rows []string
	for _, r := range list {
		second, id, _ := strings.Cut(r, " ")
		rows = append(rows, fmt.Sprintf(`{"id":%q,"Modified_Time":"2024-05-01T10:00:%s+02:00"}`, id, second))
	}
	return fmt.Appendf(nil, `{"data":[%s],"info":{"count":%d,"more_records":%t}}`, strings.Join(rows, ","), len(rows), more)
}

func asked(t *testing.T, req *stream.Request) string {
	t.Helper()
	require.NotNil(t, req)
	require.Equal(t, "POST coql coql", req.Method+" "+req.URL+" "+req.Resource)
	require.Len(t, req.Params, 1)
	return fmt.Sprint(req.Cost, " ", req.Params[0].Value)
}

const (
	before = "select id, Modified_Time from Deals where ("
	behind = ") order by Modified_Time asc, id asc limit 0, "
)

func TestQuery(t *testing.T) {
	start := func(from string) (*stream.Job, string) {
		r := readOf(from, evening, nil, "Modified_Time")
		job, err := roads("Deals").Ways[1].Job.Open(t.Context(), &nobody{}, r)
		require.NoError(t, err)
		req, err := job.Create(r)
		require.NoError(t, err)
		return job, asked(t, req)
	}
	_, first := start("")
	require.Equal(t, "3 "+before+"Modified_Time <= '"+evening+"'"+behind+"2000", first)
	job, first := start(morning)
	require.Equal(t, "3 "+before+"Modified_Time between '"+morning+"' and '"+evening+"'"+behind+"2000", first)

	var ids []string
	take := func(body []byte) (*stream.Request, error) {
		ids = nil
		return job.Rows(body, func(row []byte) error {
			ids = append(ids, strings.Split(string(row), `"`)[3])
			return nil
		})
	}
	next := func(body []byte) string {
		t.Helper()
		req, err := take(body)
		require.NoError(t, err)
		return asked(t, req)
	}
	// What has the last second comes again; so few rows are all that it gives.
	require.Equal(t, "1 "+before+"Modified_Time between '2024-05-01T08:00:02+00:00' and '"+evening+"'"+behind+"200", next(rowsAt(true, "01 5", "01 3", "02 4", "02 1")))
	require.Equal(t, []string{"5", "3"}, ids)
	// A second that fills an answer goes on by the ids.
	more := " or (Modified_Time between '2024-05-01T08:00:03+00:00' and '" + evening + "')"
	require.Equal(t, "1 "+before+"(Modified_Time = '2024-05-01T08:00:02+00:00' and id > 4)"+more+behind+"200", next(rowsAt(true, "02 1", "02 4")))
	require.Equal(t, []string{"1", "4"}, ids)
	require.Equal(t, "1 "+before+"(Modified_Time = '2024-05-01T08:00:02+00:00' and id > 9)"+more+behind+"200", next(rowsAt(true, "02 6", "02 9")))
	_, err := take(rowsAt(true, "02 6", "02 7"))
	require.Equal(t, fault.Contract, fault.KindOf(err), "these were there before")
	require.Equal(t, "1 "+before+"Modified_Time between '2024-05-01T08:00:03+00:00' and '"+evening+"'"+behind+"200", next(rowsAt(true, "02 10", "03 1")))
	require.Equal(t, []string{"10"}, ids)
	req, err := take(rowsAt(false, "03 4", "03 2", "04 1"))
	require.NoError(t, err)
	require.Nil(t, req)
	require.Equal(t, []string{"4", "2", "1"}, ids)

	for _, body := range [][]byte{
		rowsAt(true, "02 4", "02 1"), rowsAt(true, "02 4", "02 4"), rowsAt(false, "02 1", "01 1"), rowsAt(true), rowsAt(false, "xx 1"), rowsAt(false, "01 x"), []byte("{}"), []byte("[]"),
		[]byte(`{"data":[{"id":"1"}],"info":{"more_records":false}}`), []byte(`{"data":[{"id":1,"Modified_Time":"2024-05-01T10:00:00+02:00"}],"info":{"more_records":false}}`),
	} {
		_, err := take(body)
		require.Equal(t, fault.Contract, fault.KindOf(err), "%s", body)
		require.Empty(t, ids, "%s", body)
	}
	_, err = job.Rows(rowsAt(false, "01 1"), func([]byte) error { return stream.TooLarge })
	require.ErrorIs(t, err, stream.TooLarge)

	// The last second of all: nothing comes after it.
	r := readOf("", "2024-05-01T08:00:02+00:00", nil, "Modified_Time")
	job, err = roads("Deals").Ways[1].Job.Open(t.Context(), &nobody{}, r)
	require.NoError(t, err)
	require.Equal(t, "1 "+before+"Modified_Time = '2024-05-01T08:00:02+00:00' and id > 1"+behind+"200", next(rowsAt(true, "02 1")))
}

// What a query answers becomes what lists have.
func TestQueryValues(t *testing.T) {
	hints := map[string]string{"Owner": "user", "Tag": "tags", "Layout": "layout", "Account_Name": "lookup Accounts.Account_Name", "Areas": "list", "Files": "json", "Remind_At": "alarm"}
	r := readOf("", evening, hints, "Modified_Time", "Owner", "Tag", "Layout", "Account_Name", "Areas", "Files", "Remind_At", "Plain")
	v := &vendor{answers: map[string]string{
		"users AllUsers 1 200":      `{"users":[{"id":"7","full_name":"Zoë","email":"z@x.example"}],"info":{"more_records":false}}`,
		"settings/tags Contacts":    `{"tags":[{"name":"a","id":"1","color_code":null}]}`,
		"settings/layouts Contacts": `{"layouts":[{"id":"11","name":"Standard"}]}`,
	}}
	job, err := roads("Contacts").Ways[1].Job.Open(t.Context(), v, r)
	require.NoError(t, err)
	req, err := job.Create(r)
	require.NoError(t, err)
	require.Contains(t, asked(t, req), "select id, Modified_Time, Owner, Tag, Layout, Account_Name, Account_Name.Account_Name, Areas, Files, Remind_At, Plain from Contacts")
	const good = `{"Modified_Time":"2024-05-01T10:00:00+02:00","id":"1","Owner":{"id":"7"},"Tag":[{"name":"a","id":"1","color_code":null}],"Layout":{"id":"11"},` +
		`"Account_Name":{"id":"5"},"Account_Name.Account_Name":"Acme","Areas":["x"],"Files":[{"id":"1"}],"Remind_At":"x","Plain":1.50}`
	convert := func(row string) (string, error) {
		var out string
		_, err := job.Rows([]byte(`{"data":[`+row+`],"info":{"more_records":false}}`), func(b []byte) error {
			out = string(b)
			return nil
		})
		return out, err
	}
	got, err := convert(good)
	require.NoError(t, err)
	require.Equal(t, `{"id":"1","Modified_Time":"2024-05-01T10:00:00+02:00","Owner":{"name":"Zoë","id":"7","email":"z@x.example"},"Tag":[{"name":"a","id":"1","color_code":null}],`+
		`"Layout":{"name":"Standard","id":"11"},"Account_Name":{"name":"Acme","id":"5"},"Areas":["x"],"Files":[{"id":"1"}],"Remind_At":"x","Plain":1.50}`, got)
	for old, new := range map[string]string{`"Owner":{"id":"7"}`: `"Owner":null`, `"Account_Name":{"id":"5"},"Account_Name.Account_Name":"Acme"`: `"Account_Name":null`, `["x"]`: "null", `"Acme"`: "null"} {
		_, err := convert(strings.Replace(good, old, new, 1))
		require.NoError(t, err, new)
	}
	got, err = convert(strings.Replace(good, `[{"name":"a","id":"1","color_code":null}]`, "null", 1))
	require.NoError(t, err)
	require.Contains(t, got, `"Tag":[],`, "as in lists")
	for old, bad := range map[string]string{
		`"Owner":{"id":"7"}`: `"Owner":{"id":"8"}`, `"Layout":{"id":"11"}`: `"Layout":"11"`, `"Account_Name":{"id":"5"}`: `"Account_Name":"5"`,
		`,"Account_Name.Account_Name":"Acme"`: "", `"Areas":["x"]`: `"Areas":"x;y"`, `"Files":[{"id":"1"}]`: `"Files":"1"`, `,"Plain":1.50`: "",
		`"Tag":[{"name":"a","id":"1","color_code":null}]`: `"Tag":["a"]`, `{"name":"a","id":"1","color_code":null}`: `{"name":"a"}`,
	} {
		_, err := convert(strings.Replace(good, old, bad, 1))
		require.Equal(t, fault.Refused, fault.KindOf(err), bad)
	}
	_, err = convert(strings.Replace(good, `"Owner":{"id":"7"}`, `"Owner":7`, 1))
	require.Equal(t, fault.Refused, fault.KindOf(err))
}
