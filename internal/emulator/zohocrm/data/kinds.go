package data

import (
	"slices"
	"strings"
)

// fieldKind says what the values of a field are made of.
type fieldKind uint8

const (
	kindText fieldKind = iota
	kindID
	kindCreated
	kindModified
	kindName // a word and the number of the row
	kindFirst
	kindFull // first and last name, and the number
	kindEmail
	kindAuto // CASE-000017
	kindBig
	kindInt
	kindCents
	kindDecimal // four digits
	kindBool
	kindDate
	kindInstant
	kindLookup
	kindOwner
	kindMulti
	kindRaw // a JSON value
	kindConverted
	kindConvertedTime
	kindConvertedLookup
)

func isChild(dataType string) bool {
	return dataType == "subform" || dataType == "multiselectlookup" || dataType == "multiuserlookup"
}

// required are fields that are never null.
var required = []string{
	"Created_Time", "Modified_Time", "Owner", "Created_By", "Modified_By", "Last_Name", "First_Name", "Full_Name", "Product_Name", "Parent_Id", "Converted__s", "Quantity",
	"Deal_Name", "Subject", "Campaign_Name", "Event_Title", "Vendor_Name", "Price_Book_Name", "Solution_Title", "Name",
}

// bind chooses the kind of a field by its name, then by its data_type.
func (f *field) bind(m *module) {
	f.child = isChild(f.dataType)
	f.must = slices.Contains(required, f.api)
	switch f.api {
	case "id":
		f.kind, f.must = kindID, true
	case "Created_Time":
		f.kind = kindCreated
	case "Modified_Time":
		f.kind = kindModified
	case "First_Name":
		f.kind, f.words = kindFirst, firstWords
	case "Last_Name":
		f.kind, f.words = kindName, lastWords
	case "Full_Name":
		f.kind = kindFull
	case "Converted__s":
		f.kind = kindConverted
	case "Converted_Date_Time":
		f.kind = kindConvertedTime
	case "Converted_Account", "Converted_Contact", "Converted_Deal":
		f.kind = kindConvertedLookup
	case "Account_Name", "Product_Name", "Vendor_Name", "Deal_Name":
		if f.dataType == "text" {
			f.kind, f.words = kindName, companyWords
		} else {
			f.kind = kindLookup
		}
	case "Subject", "Campaign_Name", "Event_Title", "Price_Book_Name", "Solution_Title", "Name", "Note_Title", "Service_Name", "Title", "File_Name":
		if f.dataType == "text" && (f.api != "Title" || m.api == "Milestones") {
			f.kind, f.words = kindName, subjectWords
			if f.api == "File_Name" {
				f.words = fileWords
			}
		} else {
			f.byType()
		}
	case "Tag":
		f.kind = kindRaw
	case "$se_module":
		parent := "null"
		if p := m.byField("Parent_Id"); p != nil {
			parent = quote(p.targetName)
		}
		f.kind, f.raw = kindRaw, func(uint64) string { return parent }
	case "Associated_Id__s":
		f.kind = kindBig
	default:
		f.byType()
	}
	switch f.kind {
	case kindID, kindCreated, kindModified, kindName, kindFirst, kindFull, kindEmail, kindAuto, kindBig, kindLookup, kindConverted, kindConvertedTime, kindConvertedLookup:
		f.perRow = true
	case kindCents:
		f.perRow = slices.Contains([]string{"Amount", "Grand_Total", "Annual_Revenue", "List_Price", "Budget", "Lifetime_Value"}, f.api)
	default:
	}
	if f.kind == kindText && f.words == nil {
		f.words = f.pool()
	}
}

func (f *field) byType() {
	kind := f.dataType
	if f.returns != "" {
		kind = f.returns
	}
	if raw, ok := rawByName[f.api]; ok && (f.api != "Tax" || f.jsonType == "jsonarray") {
		f.kind, f.raw = kindRaw, raw
		return
	}
	switch kind {
	case "email":
		f.kind = kindEmail
	case "autonumber":
		f.kind = kindAuto
	case "bigint", "long":
		f.kind = kindBig
	case "integer":
		f.kind = kindInt
	case "currency", "formula":
		f.kind = kindCents
	case "double", "percent", "decimal":
		f.kind = kindDecimal
	case "boolean":
		f.kind = kindBool
	case "date":
		f.kind = kindDate
	case "datetime", "event_reminder":
		f.kind = kindInstant
	case "lookup", "multi_module_lookup":
		f.kind = kindLookup
	case "ownerlookup", "userlookup":
		f.kind = kindOwner
	case "multiselectpicklist":
		f.kind = kindMulti
	case "picklist":
		if f.words = f.pool(); len(f.words) == len(plainWords) {
			f.words = choiceWords
		}
	case "textarea", "mediumtext":
		f.words = sentenceWords
	case "richtextarea":
		f.words = richWords
	case "phone":
		f.words = phoneWords
	case "website":
		f.words = urlWords
	default:
		if raw, ok := rawByType[f.dataType]; ok {
			f.kind, f.raw = kindRaw, raw
		} else if f.jsonType == "jsonarray" || f.jsonType == "jsonobject" {
			f.kind, f.raw = kindRaw, func(uint64) string { return "null" }
		}
	}
	if f.jsonType == "jsonobject" && f.dataType == "currency" { // CLIENT: the object form of a currency
		f.kind, f.raw = kindRaw, rawByType["currency"]
	}
}

// pool chooses the words of a text by the name of the field.
func (f *field) pool() []*word {
	for _, p := range []struct {
		part  string
		words []*word
	}{
		{"Street", streetWords},
		{"City", cityWords},
		{"Zip", codeWords},
		{"ZIP", codeWords},
		{"_Code", codeWords},
		{"Country", countryWords},
		{"Company", companyWords},
		{"Currency", currencyISO},
		{"Stage", stageWords},
		{"Phone", phoneWords},
		{"Address", streetWords},
	} {
		if strings.Contains(f.api, p.part) {
			return p.words
		}
	}
	return plainWords
}
