package data

import (
	"fmt"
	"strconv"
	"strings"
)

// contactFields is how many fields Contacts has in lists: more than one call
// can ask for (DOC: 50).
const contactFields = 120

// exotic are fields of the types that standard modules lack.
const exotic = `Bio richtextarea
Internal_Remarks mediumtext
Contract_No bigint
Legacy_Key long
Membership autonumber
Loyalty percent
Fraction decimal
Interests multiselectpicklist
Lifetime_Value currency
Budget_Local currency jsonobject
Order_Total rollup_summary =currency
Order_Count rollup_summary integer =integer
Age_Formula formula =double
Margin_Formula formula =currency
Greeting_Formula formula string =text
Renewal_Formula formula string =date
Next_Call_Formula formula string =datetime
Is_Large_Formula formula boolean =boolean
Contract_Files fileupload
Photos imageupload
Account_Manager userlookup
Referred_By lookup >Contacts
Mystery hyperwidget -
No_Json_Type text -
Contract_Start date
Last_Audit datetime
Skills multiselectlookup >Products
Watchers multiuserlookup
Education subform >Milestones`

// contactExtras are the custom fields of Contacts.
func contactExtras(have []*field) []*field {
	var out []*field
	listed := 1 + len(have) // with id
	for line := range strings.SplitSeq(exotic, "\n") {
		f := parseField(line)
		f.custom = true
		if !isChild(f.dataType) {
			listed++
		}
		out = append(out, f)
	}
	types := []string{"text", "picklist", "integer", "currency", "boolean", "date"}
	for k := 1; listed < contactFields; k++ {
		f := parseField("Custom_" + strconv.Itoa(k) + " " + types[k%len(types)])
		f.custom = true
		out = append(out, f)
		listed++
	}
	return out
}

const audit = "Owner ownerlookup\nCreated_By ownerlookup\nModified_By ownerlookup\nCreated_Time datetime\nModified_Time datetime\nRecord_Status__s picklist\nTag text jsonarray"

// customModules adds the modules of the org's own, odd ones among them, and as
// many plain ones as the options say.
func (o *Org) customModules() {
	full, few := o.part("1", "1"), o.part("1", "20")
	add := func(api, singular, generated string, n int64, fields string) *module {
		m := o.addModule(api, singular, generated, n)
		for line := range strings.SplitSeq(fields, "\n") {
			f := parseField(line)
			f.custom = !strings.Contains(audit, line)
			m.fields = append(m.fields, f)
		}
		return m
	}
	// DOC: paths take the api_name, never module_name.
	add("CM1", "Project", "custom", full, "Name text\nAccount lookup >Accounts\nBudget currency\nStart date\nPhase picklist\nServices multiselectlookup >Products\nMilestones subform >Milestones\nSerial autonumber\nBig_Number bigint\n"+audit).name = "CustomModule2"
	add("Contacts_X_CM1", "Contact of project", "linking", full, "Contact lookup >Contacts\nProject lookup >CM1\nCreated_Time datetime\nModified_Time datetime")
	add("Milestones", "Milestone", "subform", o.part("2", "1"), "Title text\nDue date\nAmount currency\nParent_Id lookup >CM1\nCreated_Time datetime\nModified_Time datetime")
	add("Meter_Readings", "Meter reading", "custom", few, "Name text\nReading double\nTaken datetime\nOwner ownerlookup")
	add("Site_Visits", "Site visit", "custom", few, "Name text\nVisited date\n"+audit)
	add("site_visits", "Site visit (old)", "custom", few, "Name text\nScore integer\n"+audit)
	add("No_Metadata", "Without metadata", "custom", 0, "Name text").bare = true
	m := add("Old_Assets", "Old asset", "custom", few, "Name text\n"+audit)
	m.status, m.supported = "scheduled_for_deletion", false
	m = add("Hidden_Ledger", "Hidden ledger", "custom", few, "Name text\n"+audit)
	m.status, m.supported, m.viewable = "system_hidden", false, false
	for k := range o.opts.Modules {
		add(fmt.Sprintf("Custom_%03d", k+1), fmt.Sprintf("Custom %03d", k+1), "custom", few, "Name text\nAmount currency\nStage picklist\nWhen datetime\nAccount lookup >Accounts\n"+audit)
	}
}

// systemModules adds what settings/modules lists and records cannot be read of.
func (o *Org) systemModules() {
	for _, name := range []string{"Home", "Feeds", "Reports", "Analytics", "Social", "Documents", "Forecasts"} {
		o.addModule(name, name, "default", 0).supported = false
	}
	web := o.addModule("WebTab1", "Portal", "web", 0)
	web.supported = false
	// CLIENT: api_supported, and yet no fields or not for everybody.
	for _, name := range []string{"Visits", "Actions_Performed"} {
		o.addModule(name, name, "default", 0).bare = true
	}
	o.addModule("Locking_Information__s", "Locking Information", "default", 0).forbidden = true
}
