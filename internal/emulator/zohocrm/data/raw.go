package data

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// Values with a shape of their own. Each is prepared once for a variant, as
// compact JSON; null stands for a null.

func rawID(h uint64, k uint64) string {
	return `"` + strconv.FormatUint(idBase+460_000+rows.Mix(h, k)%900, 10) + `"`
}

// tagList are the tags of every module that has some, as its records and its
// settings show them; one holds what stands between tags in files.
var tagList = []struct{ name, color string }{
	{"fair24", "null"},
	{`VIP; "gold"`, `"#57B1FD"`},
	{"Übersee", "null"},
}

func (o *Org) makeTags(m *module, h uint64) string {
	tag := func(k int) string {
		return fmt.Sprintf(`{"name":%s,"id":%q,"color_code":%s}`, quote(tagList[k].name), o.entryID(o.setNamed("tags"), m, k), tagList[k].color)
	}
	switch h % 4 {
	case 0:
		return "[]"
	case 1:
		return "[" + tag(0) + "]"
	}
	return "[" + tag(1) + "," + tag(2) + "]"
}

// makeLayout is the layout of a module's records: the first one.
func (o *Org) makeLayout(m *module) string {
	return fmt.Sprintf(`{"name":%s,"id":%q}`, quote(layoutNames[0]), o.entryID(o.setNamed("layouts"), m, 0))
}

var layoutNames = []string{"Standard", "Second"}

func instantText(h uint64) string {
	return fmt.Sprintf(`"202%d-0%d-1%dT0%d:30:00+0%d:00"`, 2+h%4, 4+h%5, h%9, h%9, 2)
}

func makeTerritories(h uint64) string {
	if h%3 == 0 {
		return "[]"
	}
	return `[{"$assigned_time":` + instantText(h) + `,"Name":"North","$assigned":"manual","id":` + rawID(h, 1) + `,"$assigned_by":` + people[h%owners].plain + `}]`
}

func makeComments(h uint64) string {
	if h%3 == 0 {
		return "null"
	}
	return `[{"commented_by":"Ida Falk","commented_time":` + instantText(h) + `,"comment_content":"Seen; \"ok\"","id":` + rawID(h, 1) + `}]`
}

// rawByName are the values that depend on what the field is called: the
// metadata says text of arrays that hold objects (CLIENT).
var rawByName = map[string]func(h uint64) string{
	"Territories": makeTerritories,
	"Territory":   makeTerritories,
	"Comments":    makeComments,
	"Pricing_Details": func(h uint64) string {
		return fmt.Sprintf(`[{"to_range":%d.0,"discount":%d.5,"id":%s,"from_range":1.0}]`, 50+h%50, h%20, rawID(h, 1))
	},
	"Participants": func(h uint64) string {
		if h%4 == 0 {
			return "[]"
		}
		return `[{"name":"Zoë, O'Neil","invited":false,"id":` + rawID(h, 1) + `,"type":"contact","Email":"zoe@samp.example","participant":` + rawID(h, 2) + `,"status":"not_known"}]`
	},
	"Available_Dates": func(uint64) string { return "null" },
	"$attachments":    func(uint64) string { return "null" },
	"$field_states":   func(uint64) string { return "null" },
	"$approval": func(uint64) string {
		return `{"delegate":false,"approve":false,"reject":false,"resubmit":false}`
	},
	"$currency_symbol": func(uint64) string { return `"€"` },
	"$approval_state":  func(uint64) string { return `"approved"` },
	"$state":           func(uint64) string { return `"save"` },
	"$editable":        func(uint64) string { return "true" },
	// Products.Tax is a multiselectpicklist of objects (CLIENT).
	"Tax": func(h uint64) string {
		if h%3 == 0 {
			return "[]"
		}
		return `[{"id":` + rawID(h, 1) + `,"value":"Vat - 21.0 %"},{"id":` + rawID(h, 2) + `,"value":"Sales Tax - 2.0 %"}]`
	},
	"Scoring_Rule": func(h uint64) string { return `{"name":"Default","id":` + rawID(h%3, 1) + `}` },
}

// rawByType are the values of the rarer data_types.
var rawByType = map[string]func(h uint64) string{
	"currency": func(h uint64) string {
		return fmt.Sprintf(`{"value":%d.25,"currency":"USD"}`, h%9000)
	},
	"RRULE": func(h uint64) string {
		if h%2 == 0 {
			return "null"
		}
		return `{"RRULE":"FREQ=WEEKLY;INTERVAL=1;UNTIL=2027-01-01;BYDAY=MO","EXDATE":"2026-05-04"}`
	},
	"ALARM": func(h uint64) string {
		switch h % 3 {
		case 0:
			return "null"
		case 1:
			return instantText(h) // CLIENT: a plain text was seen, too
		}
		return `{"ALARM":"FREQ=NONE;ACTION=EMAIL;TRIGGER=DATE-TIME:2026-05-04T09:00:00+02:00"}`
	},
	"layout": func(uint64) string { return "null" }, // see makeLayout
	"consent_lookup": func(h uint64) string {
		if h%3 != 0 {
			return "null"
		}
		p := people[h%owners].plain
		return `{"Owner":` + p + `,"Contact_Through_Email":true,"Data_Processing_Basis":"Consent - Obtained","Created_Time":` + instantText(h) +
			`,"Contact_Through_Social":false,"Contact_Through_Phone":true,"Consent_Remarks":null,"Created_By":` + p + `,"Modified_Time":` + instantText(h+1) +
			`,"Modified_By":` + p + `,"name":"Consent","Contact_Through_Survey":false,"Consent_Date":"2026-02-03","id":` + rawID(h, 1) + `,"Tag":[],"Mail_Sent_Time":null,"Consent_Through":"Email"}`
	},
	"time_range": func(uint64) string { return `[{"start_time":"09:00","end_time":"12:30"}]` },
	"multireminder": func(h uint64) string {
		if h%2 == 0 {
			return "null"
		}
		return `[{"period":"minutes","unit":15,"time":null}]`
	},
	"linetax": func(h uint64) string {
		if h%3 == 0 {
			return "[]"
		}
		return fmt.Sprintf(`[{"percentage":21.0,"name":"Vat","id":%s,"display_name":"Vat - 21.0 %%","value":%d.35}]`, rawID(h, 1), h%500)
	},
	"fileupload":  makeFiles("File_Name__s", "offer.pdf"),
	"imageupload": makeFiles("File_Name__s", "photo 1, crop.png"),
	"profileimage": func(h uint64) string {
		if h%3 == 0 {
			return "null"
		}
		return `"` + strings.Repeat(strconv.FormatUint(h, 16), 3) + `"`
	},
}

func makeFiles(member, name string) func(h uint64) string {
	return func(h uint64) string {
		if h%2 == 0 {
			return "null"
		}
		return fmt.Sprintf(`[{"id":%s,%q:%q,"File_Id__s":"%x","Size__s":%d}]`, rawID(h, 1), member, name, h, h%90000)
	}
}
