package data

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRecord(t *testing.T) {
	o, _ := testOrg(60)
	for _, id := range ids(truth(t, o, "quotes"))[:20] {
		b, err := o.Record("Quotes", id)
		require.NoError(t, err)
		rows, _ := parse(t, b, "data")
		lines := rows[0]["Quoted_Items"].([]any)
		require.Len(t, lines, 2)
		for _, l := range lines {
			require.Equal(t, id, l.(row)["Parent_Id"].(row)["id"])
		}
	}
	b, err := o.Record("Contacts", ids(truth(t, o, "contacts"))[0])
	require.NoError(t, err)
	rows, _ := parse(t, b, "data")
	require.Len(t, rows[0]["Skills"], 2)
	require.Len(t, rows[0]["Watchers"], 1)
	require.Contains(t, rows[0], "Education")
	for _, tt := range []struct{ module, id, code string }{{"Contacts", "1", "INVALID_DATA"}, {"Contacts", "x", "INVALID_DATA"}, {"Nope", "1", "INVALID_MODULE"}} {
		_, err := o.Record(tt.module, tt.id)
		require.Equal(t, tt.code, refused(t, err).Code)
	}
}

// TestLinesOfAllParents compares the lines of every document with the module
// of lines.
func TestLinesOfAllParents(t *testing.T) {
	o, _ := testOrg(60)
	want := make(map[string]int)
	for _, l := range truth(t, o, "invoiced_items") {
		want[l["Parent_Id"].(row)["id"].(string)]++
	}
	require.Len(t, want, 60)
	for _, id := range ids(truth(t, o, "invoices")) {
		require.Equal(t, 2, want[id])
	}
}

// TestRelatedIsTheOtherWayRound compares related lists with the lookups.
func TestRelatedIsTheOtherWayRound(t *testing.T) {
	o, _ := testOrg(80)
	_, err := o.Insert("Contacts", time.Time{}, 30)
	require.NoError(t, err)
	want := make(map[string][]string)
	for _, r := range truth(t, o, "contacts") {
		if to, ok := r["Account_Name"].(row); ok {
			want[to["id"].(string)] = append(want[to["id"].(string)], r["id"].(string))
		}
	}
	found := 0
	for _, id := range ids(truth(t, o, "accounts")) {
		b, err := o.Related("Accounts", id, "Contacts", params("fields=Last_Name"), time.Time{})
		require.NoError(t, err)
		if b.Empty {
			require.Empty(t, want[id])
			continue
		}
		rows, _ := parse(t, b, "data")
		require.ElementsMatch(t, want[id], ids(rows))
		found += len(rows)
	}
	require.Greater(t, found, 80)
}

func TestRelatedLists(t *testing.T) {
	o, c := testOrg(80)
	deals := ids(truth(t, o, "deals"))
	total := make(map[string]int)
	for _, id := range deals {
		for _, name := range []string{"Stage_History", "Contact_Roles", "Attachments", "Emails", "__timeline", "Quotes"} {
			key := map[string]string{"Emails": "Emails", "__timeline": "__timeline"}[name]
			if key == "" {
				key = "data"
			}
			b, err := o.Related("Deals", id, name, params("fields=id,Modified_Time,name,Size"), time.Time{})
			require.NoError(t, err, name)
			if !b.Empty {
				rows, info := parse(t, b, key)
				require.NotNil(t, info)
				total[name] += len(rows)
			}
		}
	}
	for _, name := range []string{"Stage_History", "Contact_Roles", "Attachments", "Emails", "__timeline", "Quotes"} {
		require.NotZero(t, total[name], name)
	}
	require.Len(t, truth(t, o, "deal_contact_roles"), total["Contact_Roles"])

	leads := ids(truth(t, o, "campaigns"))
	b, err := o.Related("Campaigns", leads[0], "Leads", params("fields=Last_Name"), time.Time{})
	require.NoError(t, err)
	require.Positive(t, b.Rows)

	for _, tt := range []struct{ id, list, query, code string }{
		{deals[0], "Nothing", "fields=id", "INVALID_DATA"},
		{deals[0], "Attachments", "", "REQUIRED_PARAM_MISSING"},
		{"9", "Attachments", "fields=id", "INVALID_DATA"},
		{deals[0], "Quotes", "fields=id&per_page=300", "INVALID_DATA"},
	} {
		_, err := o.Related("Deals", tt.id, tt.list, query(t, tt.query), time.Time{})
		require.Equal(t, tt.code, refused(t, err).Code)
	}
	// If-Modified-Since holds for related records, too.
	b, err = o.Related("Deals", deals[0], "Stage_History", params("fields=id"), c.now)
	require.NoError(t, err)
	require.True(t, b.Empty)
	// The newest spec spells the size of a page another way.
	b, err = o.Related("Campaigns", leads[0], "Leads", params("fields=Last_Name", "perPage=1"), time.Time{})
	require.NoError(t, err)
	require.Equal(t, 1, b.Rows)
}

func TestEmailsGoByIndex(t *testing.T) {
	o, _ := testOrg(200)
	want := make(map[string]bool)
	for _, r := range truth(t, o, "record_emails") {
		linked := r["linked_record"].(row)
		if linked["module"].(row)["api_name"] == "Leads" {
			want[r["message_id"].(string)] = true
		}
	}
	pages := 0
	for _, id := range ids(truth(t, o, "leads")) {
		q := params("index=0")
		for {
			b, err := o.Related("Leads", id, "Emails", q, time.Time{})
			require.NoError(t, err)
			if b.Empty {
				break
			}
			rows, info := parse(t, b, "Emails")
			for _, r := range rows {
				require.True(t, want[r["message_id"].(string)])
				delete(want, r["message_id"].(string))
			}
			if !more(info) {
				break
			}
			pages++
			q.Set("index", info["next_index"].(string))
		}
	}
	require.Empty(t, want)
	require.Positive(t, pages)
}

func TestTimelineOfTouched(t *testing.T) {
	o, c := testOrg(60)
	id, err := o.Touch("Deals", c.now, 1)
	require.NoError(t, err)
	b, err := o.Related("Deals", id[0], "__timeline", params(), time.Time{})
	require.NoError(t, err)
	rows, info := parse(t, b, "__timeline")
	require.Equal(t, "updated", rows[0]["action"])
	require.Equal(t, "2026-11-20T11:30:05+01:00", rows[0]["audited_time"])
	require.Equal(t, "added", rows[len(rows)-1]["action"])
	require.Equal(t, strconv.Itoa(len(rows)), string(jsonNumber(info["count"])))
}
