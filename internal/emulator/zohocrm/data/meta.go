package data

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

func hashOf(text string) uint64 { return rows.MixText(3, text) }

// modulesBody answers GET /settings/modules: all in one answer (DOC).
func (o *Org) modulesBody() *Body {
	body := &Body{Rows: len(o.modules)}
	list := make([]string, len(o.modules))
	for k, m := range o.modules {
		list[k] = o.moduleJSON(m)
		body.IDs = append(body.IDs, strconv.FormatInt(m.id, 10))
	}
	body.JSON = []byte(`{"modules":[` + strings.Join(list, ",") + `]}`)
	return body
}

func (o *Org) moduleJSON(m *module) string {
	custom := m.generated != "default" && m.generated != "field_tracker" && m.generated != "web" && !m.static
	visibility := 1
	if m.status == "system_hidden" && !m.supported {
		visibility = 8192 // DOC: the bit of what is hidden from the API
	}
	changed, by := "null", "null" // standard modules were never modified
	if custom {
		changed, by = quote(o.zone.text(o.entryTime(m.seed))), people[m.seed%owners].plain
	}
	parent := "{}"
	if m.parent != nil {
		parent = fmt.Sprintf(`{"api_name":%q,"id":"%d"}`, m.parent.api, m.parent.id)
	}
	creatable := m.supported && m.generated != "field_tracker" && m.generated != "linking"
	return fmt.Sprintf(`{"has_more_profiles":false,"global_search_supported":%t,"deletable":%t,"description":null,"creatable":%t,"recycle_bin_on_delete":true,`+
		`"inventory_template_supported":false,"modified_time":%s,"plural_label":%s,"presence_sub_menu":%t,"triggers_supported":true,"id":"%d",`+
		`"isBlueprintSupported":true,"visibility":%d,"visible":%t,"convertable":%t,"editable":%t,"emailTemplate_support":true,"email_parser_supported":false,`+
		`"filter_supported":true,"show_as_tab":%t,"web_link":null,"sequence_number":%d,"singular_label":%s,"viewable":%t,"api_supported":%t,"api_name":%q,`+
		`"quick_create":%t,"generated_type":%q,"feeds_required":false,"public_fields_configured":false,"arguments":[],"profiles":[{"name":"Administrator","id":%q}],`+
		`"module_name":%q,"modified_by":%s,"business_card_field_limit":5,"parent_module":%s,"status":%q,"access_type":"org_based","actual_plural_label":%s,"actual_singular_label":%s,"$field_states":null}`,
		m.supported, custom, creatable, changed, quote(m.plural), m.viewable, m.id, visibility, m.status == "visible", m.api == "Leads", creatable,
		m.generated == "default" || m.generated == "custom", m.index+1, quote(m.singular), m.viewable, m.supported, m.api, creatable, m.generated,
		o.entryID(o.setNamed("profiles"), nil, 0), m.name, by, parent, m.status, quote(m.plural), quote(m.singular))
}

// fieldsBody answers GET /settings/fields. Without type=all fields that are in
// no layout are left out (CLIENT).
func (o *Org) fieldsBody(q url.Values) (*Body, *Error) {
	m, err := o.moduleParam(q)
	if err != nil {
		return nil, err
	}
	kind := q.Get("type")
	if kind != "" && kind != "all" && kind != "unused" {
		return nil, errPattern("type")
	}
	body := &Body{}
	dst := []byte(`{"fields":[`)
	for k, f := range m.fields {
		if unused := isUnused(f); kind == "" && unused || kind == "unused" && !unused {
			continue
		}
		if body.Rows > 0 {
			dst = append(dst, ',')
		}
		body.Rows++
		body.IDs = append(body.IDs, strconv.Itoa(o.fieldID(m, k)))
		dst = append(dst, o.fieldJSON(m, f, k)...)
	}
	if body.Rows == 0 {
		return &Body{Empty: true}, nil // DOC: no metadata
	}
	dst = append(dst, `]}`...)
	body.JSON = dst
	return body, nil
}

func isUnused(f *field) bool { return f.api == "Custom_3" || f.api == "Mystery" }

func (o *Org) fieldID(m *module, k int) int { return idBase + 20_000_000 + m.index*1000 + k }

// fieldJSON is the metadata of a field.
func (o *Org) fieldJSON(m *module, f *field, k int) string {
	label := quote(strings.TrimSuffix(strings.ReplaceAll(f.api, "_", " "), "  s"))
	jsonType := `,"json_type":"` + f.jsonType + `"`
	if f.jsonType == "" {
		jsonType = "" // CLIENT: some fields have none
	}
	// DOC: the names of leads have view=false in the official sample, and yet values.
	view := !(m.api == "Leads" && (f.api == "First_Name" || f.api == "Last_Name"))
	readOnly := f.kind == kindCreated || f.kind == kindModified || f.dataType == "formula" || f.dataType == "rollup_summary" || f.dataType == "autonumber"
	values, lookup, formula, rollup, multi, auto, sub := "[]", "{}", "{}", "{}", "{}", "{}", "null"
	length, places, association := 255, "null", "null"
	target := func() string {
		return fmt.Sprintf(`{"module":{"id":"%d","api_name":%q},"id":"%d","display_label":%s,"api_name":%q}`, f.target.id, f.target.api, idBase+30_000_000+k, quote(f.target.plural), f.target.api)
	}
	switch f.dataType {
	case "picklist":
		values = pickList(f.words, f.words[0].plain == "EUR")
		length = 120
	case "multiselectpicklist":
		values = pickList(listWords, false)
	case "lookup", "multi_module_lookup":
		if f.target != nil {
			lookup = target()
		}
		length = 120
	case "multiselectlookup", "multiuserlookup":
		if f.target != nil {
			multi = fmt.Sprintf(`{"linking_details":{"module":{"api_name":%q,"id":"%d"},"lookup_field":{"api_name":%q},"connected_lookup_field":{"api_name":%q}},`+
				`"connected_details":{"module":{"api_name":%q,"id":"%d"},"layouts":[]},"record_access":true}`,
				m.api+"_X_"+f.target.api, idBase+31_000_000+k, m.api, f.api, f.target.api, f.target.id)
		}
	case "subform":
		if f.target != nil {
			sub = fmt.Sprintf(`{"module":%q,"id":"%d"}`, f.target.api, f.target.id)
			association = fmt.Sprintf(`{"module":%q,"id":"%d"}`, f.target.api, f.target.id)
		}
	case "formula":
		returns := f.returns
		if returns == "" {
			returns = "currency"
		}
		formula = fmt.Sprintf(`{"return_type":%q,"expression":%q,"dynamic":false,"assume_default":false,"stop_compute_conditionally":false,"stop_compute_expression":null}`, returns, "${"+m.plural+".id}")
	case "rollup_summary":
		rollup = fmt.Sprintf(`{"return_type":%q,"expression":{"function_parameters":[],"function":"sum"},"based_on_module":{"api_name":"Deals","id":"%d"},"related_list":{"api_name":"Deals","id":"%d"},"rollup_based_on":"related_list"}`, f.returns, o.byName["Deals"].id, idBase+32_000_000)
	case "autonumber":
		auto = `{"prefix":"No-","suffix":"","start_number":1}`
	case "currency", "double", "decimal":
		length, places = 16, "2"
		if f.kind == kindDecimal {
			places = "4"
		}
	case "bigint", "long":
		length = 18
	case "richtextarea", "textarea":
		length = 32_000
	}
	column := "null"
	if f.custom {
		column = quote("CF" + strconv.Itoa(k))
	}
	return fmt.Sprintf(`{"associated_module":%s,"webhook":true,"operation_type":{"web_update":true,"api_create":true,"web_create":true,"api_update":true},"colour_code_enabled_by_system":false,`+
		`"field_label":%s,"tooltip":null,"type":%q,"field_read_only":%t,"customizable_properties":[],"display_label":%s,"read_only":false,"businesscard_supported":true,"multi_module_lookup":{},`+
		`"id":"%d","filterable":%t,"created_time":null,"visible":true,"refer_from_field":null,"profiles":[{"permission_type":"read_write","name":"Administrator","id":%q}],`+
		`"view_type":{"view":%t,"edit":%t,"quick_create":false,"create":%t},"subform":%s,"separator":false,"searchable":true,"history_tracking_enabled":false,"external":null,"api_name":%q,`+
		`"unique":{},"enable_colour_code":false,"pick_list_values":%s,"system_mandatory":%t,"virtual_field":%t%s,"crypt":null,"created_source":"default","display_type":-1,"ui_type":%d,"modified_time":null,`+
		`"email_parser":{"fields_update_supported":true,"record_operations_supported":true},"currency":{},"custom_field":%t,"lookup":%s,"convert_mapping":null,"rollup_summary":%s,"length":%d,"column_name":%s,`+
		`"display_field":%t,"pick_list_values_sorted_lexically":false,"default_value":null,"sortable":%t,"global_picklist":null,"history_tracking":null,"data_type":%q,"formula":%s,"decimal_place":%s,`+
		`"mass_update":false,"blueprint_supported":true,"multiselectlookup":%s,"auto_number":%s,"quick_sequence_number":null}`,
		association, label, map[bool]string{true: "unused", false: "used"}[isUnused(f)], readOnly, label, o.fieldID(m, k), !f.child, o.entryID(o.setNamed("profiles"), nil, 0),
		view, view && !readOnly, view && !readOnly, sub, f.api, values, f.must && !readOnly, strings.HasPrefix(f.api, "$"), jsonType, 1+k%40, f.custom, lookup, rollup, length, column,
		m.display == f, f.kind == kindCreated || f.kind == kindModified || f.kind == kindID, f.dataType, formula, places, multi, auto)
}

func pickList(words []*word, short bool) string {
	var b strings.Builder
	b.WriteByte('[')
	for k, w := range words {
		if short && k > 1 { // CLIENT: values that the metadata does not list occur
			break
		}
		if k > 0 {
			b.WriteByte(',')
		}
		text := quote(w.plain)
		fmt.Fprintf(&b, `{"display_value":%s,"sequence_number":%d,"reference_value":%s,"colour_code":null,"actual_value":%s,"id":"%d","type":"used"}`,
			text, k+1, text, text, idBase+70_000+k)
	}
	return b.String() + "]"
}

// hasView tells whether a module has a custom view of an id.
func (o *Org) hasView(m *module, id string) bool {
	s := o.setNamed("custom_views")
	for row := range 3 {
		if o.entryID(s, m, row) == id {
			return true
		}
	}
	return false
}
