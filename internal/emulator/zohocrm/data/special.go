package data

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

var (
	currencyCodes = []string{"EUR", "USD", "GBP", "SEK", "JPY", "CHF", "NOK", "DKK", "PLN", "CZK", "INR", "AUD", "CAD", "BRL", "ZAR"}
	currencyRates = []string{"1.000000000", "1.085000000", "0.851230000", "11.402000000", "163.500000000"}
	stageNames    = []string{"Qualification", "Closed Won", "Closed Lost"}
)

func quote(s string) string { return string(rows.AppendText(nil, s)) }

// special are members of settings that must be right: what the tap reads them
// by, and what is known to trip clients.
func (o *Org) special(e *entry, member string) (string, bool) {
	if at, ok := o.touched(e); ok && (member == "modified_time" || member == "Modified_Time" || member == "modified_time__s") {
		return quote(o.zone.text(at)), true
	}
	switch e.s.name {
	case "users", "territory_users":
		return o.specialUser(e, member)
	case "currencies":
		switch member {
		case "iso_code":
			return quote(currencyCodes[e.row]), true
		case "name":
			return quote(currencyCodes[e.row] + " - currency"), true
		case "exchange_rate": // CLIENT: a decimal as text
			return quote(currencyRates[e.row]), true
		case "is_base":
			return strconv.FormatBool(e.row == 0), true
		case "modified_time":
			return "null", e.row == 0
		}
	case "available_currencies":
		if member == "iso_code" {
			if e.row < len(currencyCodes) {
				return quote(currencyCodes[e.row]), true
			}
			return quote(fmt.Sprintf("X%c%c", 'A'+e.row/26, 'A'+e.row%26)), true
		}
	case "profiles":
		switch member {
		case "name", "display_label":
			return quote([]string{"Administrator", "Standard", "Sales", "Support", "Read \"only\"", "Buchhaltung"}[e.row]), true
		case "modified_time", "modified_by", "created_time", "created_by":
			return "null", e.row < 2 // rows of the system
		case "permissions_details", "sections":
			return "null", true // only on the single profile (DOC)
		}
	case "territories":
		switch member {
		case "modified_time", "modified_by":
			return "null", e.row == 2
		case "name", "api_name":
			return quote("Region " + strconv.Itoa(e.row+1)), true
		}
	case "user_territories":
		if member == "Name" {
			return quote("Region " + strconv.Itoa(e.row+1)), true
		}
	case "organization":
		switch member {
		case "time_zone":
			return quote("Europe/Amsterdam"), true
		case "iso_code", "currency":
			return quote("EUR"), true
		case "company_name":
			return quote("Example Org, Inc."), true
		case "license_details":
			return fmt.Sprintf(`{"paid_expiry":"2027-06-30T00:00:00+02:00","users_license_purchased":%d,"trial_type":null,"trial_expiry":null,"paid":%t,"paid_type":%q,"trial_action":null}`,
				o.opts.Licences, o.opts.Edition != "free", o.opts.Edition), true
		}
	case "from_addresses":
		if member == "email" {
			return quote("from" + strconv.Itoa(e.row+1) + "@org.example"), true
		}
	case "variables":
		if member == "value" { // its type varies
			return []string{`"text"`, "12", "12.5", "true", "null", `{"a":[1]}`}[e.row%6], true
		}
	case "layouts":
		switch member {
		case "name", "api_name", "display_label":
			return quote(layoutNames[e.row]), true
		case "status":
			return quote("active"), true
		}
	case "related_lists":
		return o.specialRelated(e, member)
	case "tags":
		switch member {
		case "name":
			return quote(tagList[e.row].name), true
		case "color_code":
			return tagList[e.row].color, true
		}
	case "pipelines":
		if member == "maps" {
			list := make([]string, len(stageNames))
			for k, name := range stageNames {
				list[k] = fmt.Sprintf(`{"display_value":%s,"sequence_number":%d,"colour_code":null,"forecast_category":{"name":"Pipeline","id":"%d"},"actual_value":%s,"id":"%d","forecast_type":"Open"}`,
					quote(name), k+1, idBase+610_000, quote(name), idBase+611_000+e.row*10+k)
			}
			return "[" + strings.Join(list, ",") + "]", true
		}
	}
	return "", false
}

func (o *Org) specialUser(e *entry, member string) (string, bool) {
	i := e.row
	if e.s.name == "territory_users" {
		i = o.territoryUser(e.parent, e.row)
	}
	u := people[i%owners]
	first, last, email := u.first, u.last, u.email
	if i >= owners {
		last = fmt.Sprintf("%s %d", last, i+1)
		email = fmt.Sprintf("user%d@org.example", i+1)
	}
	switch member {
	case "id":
		return quote(strconv.Itoa(userBase + i)), true
	case "first_name":
		return quote(first), true
	case "last_name":
		return quote(last), true
	case "full_name", "name":
		return quote(first + " " + last), true
	case "email":
		return quote(email), true
	case "Modified_Time":
		return "null", i%9 == 4 // DOC: it can be null
	case "Modified_By":
		return "null", i%9 == 4
	case "offset": // CLIENT: milliseconds
		return "3600000", true
	case "time_zone":
		return quote("Europe/Amsterdam"), true
	case "status":
		return quote([]string{"active", "active", "disabled", "active"}[i%4]), true
	case "profile":
		s := o.setNamed("profiles")
		return fmt.Sprintf(`{"name":"Standard","id":%q}`, o.entryID(s, nil, 1)), true
	case "role":
		s := o.setNamed("roles")
		return fmt.Sprintf(`{"name":"CEO","id":%q}`, o.entryID(s, nil, i%s.rows)), true
	case "zuid":
		return quote(strconv.Itoa(20_060_000_000 + i)), true
	}
	return "", false
}

func (o *Org) setNamed(name string) *set {
	for _, s := range o.sets {
		if s.name == name {
			return s
		}
	}
	return nil
}

// territoryUser is which user the row-th of a territory is.
func (o *Org) territoryUser(territory string, row int) int {
	users := o.setNamed("users").rows
	return int((rows.MixText(7, territory) + uint64(row)*3) % uint64(users))
}
