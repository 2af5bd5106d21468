package accountview

import (
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// object is a business object and the stream that reads it. DICT, but for what
// the dossier of its stream says.
type object struct {
	stream string
	code   string // BusinessObject
	table  string // under which the rows come: the base table, not the view (REAL)
	key    string // by which LastKey pages, or the columns of a compound key
	cursor string
	system bool // asked for below accountviewsystemdata
	chosen bool // selected by default: of high or medium confidence
	yearly bool // rows of one book year
	hidden string
	nested bool    // rows hold rows of another table (CLIENT OMNI), for which Fields has no name
	lines  *object // the table beside it, whose rows come in the same answers
}

var objects = []object{
	{stream: "administrations", code: "ADL", table: "ADM_LIST", key: "ADM_CODE", cursor: changedAt, system: true, chosen: true},
	{stream: "dictionary_tables", code: "DBF", table: "DCT_FILE", key: "DBF_NAME", system: true, chosen: true},
	{stream: "dictionary_fields", code: "FLD", table: "DCT_FLD", key: "DBF_NAME FIELD_NAME", system: true, chosen: true},
	// Keys and secrets of other services. DICT.
	{stream: "company_settings", code: "CMP1", table: "COMP_HDR", key: "COMP_ID", cursor: changedAt, hidden: "EV_CKEY EV_CSEC PAYL_SEC AI_API", nested: true},
	{stream: "debtors", code: "AR1", table: "CONTACT", key: "SUB_NR", cursor: changedAt, chosen: true},
	{stream: "creditors", code: "AP1", table: "CONTACT", key: "SUB_NR", cursor: changedAt, chosen: true},
	{stream: "relations", code: "CM1", table: "CONTACT", key: "SUB_NR", cursor: changedAt, chosen: true},
	{stream: "contact_persons", code: "PP1", table: "PEOPLE", key: "REC_ID", cursor: changedAt},
	{stream: "contact_person_roles", code: "LNCP", table: "CON_PP", key: "REC_ID", cursor: changedAt},
	{stream: "delivery_addresses", code: "ADDR", table: "DEL_ADDR", key: "REC_ID", cursor: changedAt, chosen: true},
	{stream: "employees", code: "EM1", table: "EMPLOYEE", key: "EMP_NR", cursor: changedAt},
	{stream: "departments", code: "DPT", table: "DEPT", key: "REC_ID"},
	// Balances move without CNG_DATE (GUESS), so they are read whole.
	{stream: "ledger_accounts", code: "GL1", table: "LEDGER", key: "ACCT_NR", chosen: true},
	{stream: "ledger_transactions", code: "GJ1", table: "TRANSACT", key: "REC_ID", cursor: bookedOn, chosen: true, yearly: true},
	{stream: "ledger_transactions_previous_year", code: "GJ2", table: "PREV_GJL", key: "REC_ID", cursor: bookedOn},
	{stream: "ledger_transactions_history", code: "GJH", table: "HST_GJL", key: "REC_ID", cursor: bookedOn},
	{stream: "ledger_cards", code: "GLC", table: "TRANSACT", key: "REC_ID", cursor: bookedOn},
	{stream: "debtor_creditor_cards", code: "AR2", table: "TRANSACT", key: "REC_ID", cursor: bookedOn},
	{stream: "journals", code: "DJ1", table: "DAILY", key: "DJ_CODE", cursor: changedAt, chosen: true},
	{
		stream: "journal_pages", code: "DJ2", table: "DJ_PAGE", key: "DJ_CODE PAGE_NR", cursor: changedAt, chosen: true, yearly: true,
		lines: &object{stream: "journal_lines", table: "DJ_LINE", key: "DJ_CODE PAGE_NR REC_ID", chosen: true, yearly: true},
	},
	{stream: "cost_centers", code: "CC1", table: "COST", key: "COST_CODE", cursor: changedAt, chosen: true},
	{stream: "cost_types", code: "PC1", table: "PC_TYPE", key: "PC_CODE", cursor: changedAt},
	{stream: "distribution_keys", code: "DC1", table: "DST_CODE", key: "DIST_CODE", cursor: changedAt},
	{stream: "vat_codes", code: "VA1", table: "VAT", key: "VAT_CODE", cursor: changedAt, chosen: true},
	{stream: "vat_returns", code: "VAT", table: "VAT_HDR", key: "REC_ID", cursor: changedAt},
	{stream: "periods", code: "PER", table: "PERIOD", key: "PERIOD"},
	{stream: "open_items", code: "{" + itemsCode + "}", table: "OPENITEM", key: "SUB_INV", chosen: true},
	{stream: "reminders", code: "RE1", table: "OPENITEM", key: "SUB_INV"},
	{stream: "payment_proposals", code: "PG1", table: "OPENITEM", key: "SUB_INV"},
	{stream: "direct_debits", code: "DD1", table: "OPENITEM", key: "SUB_INV"},
	{stream: "payment_conditions", code: "PT1", table: "PAY_COND", key: "DISC_CODE", cursor: changedAt},
	// The picture of an article, base64. CLIENT (APIC).
	{stream: "articles", code: "AK1", table: "ARTICLE", key: "ART_CODE", cursor: changedAt, chosen: true, hidden: "IMG_M_DATA"},
	{stream: stock, code: "AK1", table: "ARTICLE", key: "ART_CODE", chosen: true},
	{stream: "article_groups", code: "AG1", table: "ART_GRP", key: "AG_CODE", cursor: changedAt, chosen: true},
	{stream: "article_history", code: "AKH", table: "ART_LINE", key: "REC_ID", cursor: "ART_DATE", chosen: true},
	{stream: "article_history_years", code: "ALH", table: "HST_AL", key: "REC_ID", chosen: true},
	{stream: "processed_deliveries", code: "SH1", table: "HST_AH", key: "REC_ID"},
	{
		stream: "sales_orders", code: "SO1", table: "SO_HDR", key: "REC_ID", cursor: changedAt, chosen: true,
		lines: &object{stream: "sales_order_lines", table: "SO_LINE", key: "REC_ID", chosen: true},
	},
	{
		stream: "sales_invoices", code: "SI1", table: "SOI_HDR", key: "REC_ID", cursor: changedAt,
		lines: &object{stream: "sales_invoice_lines", table: "SOI_LINE", key: "REC_ID"},
	},
	{stream: "purchase_order_lines", code: "POL", table: "PO_LINE", key: "REC_ID"},
	{stream: "projects", code: "PJ1", table: "PROJECTS", key: "PROJ_CODE", cursor: changedAt, chosen: true},
	{stream: "countries", code: "IL1", table: "ISO_CNT", key: "CNT_CODE"},
	{stream: "currencies", code: "CU1", table: "CUR_CODE", key: "CUR_CODE"},
	{stream: "iso_currencies", code: "ICUR", table: "ISO_CUR", key: "CUR_CODE"},
	{stream: "banks", code: "BN1", table: "BANK", key: "BNK_CODE"},
	{stream: "bank_mutations", code: "TLB1", table: "TBM_LINE", key: "REC_ID"},
	{stream: "activities", code: "AC1", table: "ACTION", key: "REC_ID"},
	{stream: "subscriptions", code: "SBS", table: "SBS_HDR", key: "REC_ID"},
	{stream: "subscription_lines", code: "SBSL", table: "SBS_LINE", key: "REC_ID"},
	{stream: "fixed_assets", code: "FAH", table: "FA_HDR", key: "REC_ID"},
	{stream: "fixed_asset_groups", code: "FAG", table: "FA_GRP", key: "REC_ID"},
	{stream: "fixed_asset_lines", code: "FAL", table: "FA_LINE", key: "REC_ID"},
	{stream: "budgets", code: "BSC", table: "BUD_SCOD", key: "REC_ID"},
	{stream: "budget_lines", code: "BS1", table: "BUD_SCEN", key: "REC_ID"},
	{stream: "time_weeks", code: "EM2", table: "TIM_HDR", key: "REC_ID"},
	{stream: "hour_types", code: "TT1", table: "TIM_TYPE", key: "REC_ID"},
	{stream: "time_history", code: "EH1T", table: "TIM_HIST", key: "REC_ID"},
	{stream: "document_links", code: "USRL", table: "USR_LINK", key: "REC_ID"},
	{stream: "journal_messages", code: "DJI", table: "DJ_IMP", key: "REC_ID"},
	{stream: "audit_trail", code: "TL2", table: "ADM_LOG", key: "REC_ID"},
}

const (
	changedAt = "CNG_DATE" // T: kept by the system, on every change (DICT)
	bookedOn  = "TRN_DATE" // D: may lie before the day of booking
	stock     = "article_stock"
)

// The endpoints below the base. CLIENT (OMNI).
const (
	pathData    = "accountviewdata"
	pathSystem  = "accountviewsystemdata"
	pathObjects = "accountviewsystembusinessobjects"
	pathList    = "companies"
)

// inCompany says which company is meant. CLIENT (all).
func inCompany(id string) stream.Param {
	return stream.Param{Name: "x-company", Value: id, In: stream.InHeader}
}

const documents = "https://github.com/omniboost/go-accountview.net"

func streams() []stream.Stream {
	out := []stream.Stream{
		{Name: "companies", Doc: documents, Selected: true, Path: pathList, Key: []string{"Id"}, Page: stream.Single{}},
		{
			Name: "business_objects", Doc: documents, Selected: true, Path: pathObjects, Key: []string{"Code"}, Page: stream.Single{},
			Scope: scopeCompany, Params: []stream.Param{inCompany("{company}")},
		},
	}
	for i := range objects {
		out = append(out, objects[i].reading())
		if lines := objects[i].lines; lines != nil {
			out = append(out, lines.riding(&objects[i]))
		}
	}
	return out
}

// common is what a header and its lines have alike.
func (o *object) common() stream.Stream {
	s := stream.Stream{
		Name: o.stream, Doc: documents, Selected: o.chosen, Records: o.table, Key: strings.Fields(o.key), Hidden: strings.Fields(o.hidden),
		Scope: scopeCompany,
		// Numbers of rows that mean nothing outside of one answer. REAL.
		Ignore: []string{"EXT_KEY", o.table + "_Id"},
	}
	if o.yearly {
		s.Scope, s.Key = scopeYear, append([]string{bookYear}, s.Key...)
	}
	return s
}

// reading is the stream of an object.
func (o *object) reading() stream.Stream {
	s := o.common()
	s.Path = pathData
	// One row may come without its array (CLIENT APIC), and the array under the
	// name of the view, or where nobody has seen one, under any (GUESS).
	s.OneRow, s.Elsewhere = true, true
	// Left out, all columns come (REAL); how those of the line table are named in it
	// is GUESS.
	s.Select, s.All = "Fields", true
	s.Params = []stream.Param{{Name: "BusinessObject", Value: o.code}, inCompany("{company}")}
	switch {
	case o.system:
		s.Path = pathSystem
	default:
		// Left out, it is presumably today's year (GUESS): masters are read from the
		// newest one, to which they are copied (DICT).
		s.Params = append(s.Params, stream.Param{Name: "BookDate", Value: "{book_date}"})
	}
	if strings.HasPrefix(o.code, "{") {
		s.Scope = scopeItems
	}
	if o.nested {
		s.Select, s.All = "", false
	}
	s.Page = o.pages()
	if o.cursor == "" {
		return s
	}
	s.Cursor = &stream.Cursor{Field: o.cursor, Filter: since(o.cursor), Open: true, Floor: floor}
	if o.cursor != changedAt {
		s.Cursor.Floor, s.Cursor.Lookback = nil, datedBack
	}
	return s
}

// pages is how the pages of an object are asked for: by the last key (CLIENT FXL),
// in whose order rows come (REAL); where the key has several columns, of which
// nobody knows how they would be sent, by their number (CLIENT APIC). The largest
// page that the service makes is not known.
func (o *object) pages() stream.Pager {
	columns := strings.Fields(o.key)
	if len(columns) > 1 {
		return stream.Offset{
			Param: "PageNumber", SizeParam: "PageSize", Size: pageSize, SizeKey: keyPageSize, Least: pageLeast,
			UntilEmpty: true, Overlap: true, Numbered: true,
			// The order of the key is that of the rows (REAL); where pages do not fit
			// together, it is asked for (CLIENT OMNI, NG).
			Orders: []stream.Param{{}, {Name: "SortFields", Value: strings.Join(columns, ",")}},
		}
	}
	return stream.Keyset{
		Param: "LastKey", Field: o.key, SizeParam: "PageSize", Size: pageSize, SizeKey: keyPageSize, Least: pageLeast,
		Capped: true,
		// That this is the primary key of the table is GUESS; if it is another one,
		// rows do not come by it.
		Number: o.key == "REC_ID",
	}
}

// riding is the stream of the line table of an object, whose rows come in the
// same answers and name the row of their header by its number. REAL.
func (o *object) riding(header *object) stream.Stream {
	s := o.common()
	number := header.table + "_Id"
	s.Ignore = append(s.Ignore, number)
	s.With = &stream.With{Stream: header.stream, On: number, From: number, Fields: o.table + "."}
	return s
}
