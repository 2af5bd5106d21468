package zohocrm

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Hints tell what schemas do not: how a field's values look in a file or in the
// answer of a query. They are a word, and what belongs to it:
//
//	lookup Accounts.Account_Name   a reference, and the field that it shows
//	user                           a reference to a user
//	tags, layout                   objects of settings
//	list ["A","B; C"]              several choices; which there are, where one
//	                               holds what stands between them in files
//	json                           an object or an array of another shape
//	image                          one of which queries know nothing
//	alarm                          text or JSON: clients saw both
//	rich                           text that lists cut at 500 characters, DOC
//	other lookup                   right in lists alone, and its data_type
//
// A field without a hint is what its schema says. The key's hint is whole: with
// it all others are there as far as there are any.
const whole = "hints 1"

// The words.
const (
	hintLookup = "lookup"
	hintUser   = "user"
	hintTags   = "tags"
	hintLayout = "layout"
	hintList   = "list"
	hintJSON   = "json"
	hintImage  = "image"
	hintAlarm  = "alarm"
	hintRich   = "rich"
	hintOther  = "other"
)

// hint is a hint taken apart.
type hint struct {
	word string
	rest string
}

func parseHint(text string) hint {
	word, rest, _ := strings.Cut(text, " ")
	return hint{word, rest}
}

// hintOf is the hint of a property of a read.
func hintOf(r stream.Read, property string) hint {
	if r.Hint == nil {
		return hint{}
	}
	return parseHint(r.Hint(property))
}

// shown is the field of its target that a lookup shows, without the target.
func (h hint) shown() string {
	_, field, _ := strings.Cut(h.rest, ".")
	return field
}

// choices are the values of a list of which one holds a semicolon.
func (h hint) choices() []string {
	var out []string
	if json.Unmarshal([]byte(h.rest), &out) != nil {
		return nil
	}
	return out
}

// withModule are lookups that tell the module of their target too. CLIENT (AB).
var withModule = []string{"What_Id", "Parent_Id"}

// unheld are fields of addresses that settings list and bulk reads refuse. CLIENT
// (a backup of a live account, 2026).
var unheld = regexp.MustCompile(`(^|_)([Cc]oordinates|nearby_distance)(__s)?$`)

// hint is what is to be known of a field, "" where its schema says all. display
// has the fields that modules show, by their api_name.
func (x *metaField) hint(display map[string]string) string {
	array, object := x.JSONType == "jsonarray", x.JSONType == "jsonobject"
	switch {
	case x.APIName == "Tag" && array:
		return hintTags
	case x.DataType == "layout":
		return hintLayout
	case x.DataType == "ALARM" || x.DataType == "RRULE":
		return hintAlarm
	case isLookup(x.DataType):
		return x.reference(display)
	case x.DataType == "multiselectpicklist" && x.APIName != "Tax":
		return x.several()
	case x.DataType == "imageupload":
		return hintImage
	case x.DataType == "richtextarea":
		return hintRich
	case array || object:
		return hintJSON
	case unheld.MatchString(x.APIName):
		return hintOther + " " + x.DataType
	}
	return ""
}

// reference is the hint of a lookup. Those to products show the product's code
// in lists, in some modules at least. CLIENT (AB).
func (x *metaField) reference(display map[string]string) string {
	target := x.Lookup.Module.APIName
	switch shown := display[target]; {
	case x.JSONType == "string":
	case x.DataType == "ownerlookup" || x.DataType == "userlookup":
		return hintUser
	case x.DataType == "lookup" && shown != "" && target != "Products" && !slices.Contains(withModule, x.APIName):
		return hintLookup + " " + target + "." + shown
	}
	return hintOther + " " + x.DataType
}

// several is the hint of a field with several choices.
func (x *metaField) several() string {
	var values []string
	cut := false
	for _, v := range x.Values {
		for _, text := range []string{v.Display, v.Actual} {
			if text != "" && !slices.Contains(values, text) {
				values = append(values, text)
				cut = cut || strings.Contains(text, semicolon)
			}
		}
	}
	if !cut {
		return hintList
	}
	text, err := json.Marshal(values)
	if err != nil {
		return hintOther + " " + x.DataType
	}
	return hintList + " " + string(text)
}
