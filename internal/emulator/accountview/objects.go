package accountview

import "strings"

// object is a business object: a view on a table, by whose code it is asked for.
type object struct {
	code   string
	view   string // its name in the dictionary; that of the table if it is no view
	table  string
	label  string
	stream string // which reads it
	child  string // the stream that reads its line table
	lines  string // that table
	system bool   // is asked for below /accountviewsystemdata
	keep   func(*row) bool
	// side are the other tables in its answers: line tables and link tables.
	side []string
	// joined is a table whose columns can be asked for, too; nested one whose rows
	// are inside of those of the main table.
	joined, nested string
}

// short is the stream that reads articles with few columns.
const short = "article_stock"

// shortColumns are those of [short].
var shortColumns = []string{"ART_CODE", "ART_DESC1", "QTY_AVAIL", "QTY_FREE2", "QTY_TECH"}

// objects are those of the installation (DICT: code, view, table).
var objects = []object{
	{code: "ADL", table: "ADM_LIST", label: "Administraties", stream: "administrations", system: true},
	{code: "DBF", table: "DCT_FILE", label: "Tabellen", stream: "dictionary_tables", system: true, side: []string{"DCT_FLD", "DCT_TAG"}},
	{code: "FLD", table: "DCT_FLD", label: "Velden", stream: "dictionary_fields", system: true, side: []string{"DCT_FILE", "DCT_TAG"}},
	{code: "TAG", table: "DCT_TAG", label: "Indexen", system: true},
	{code: "CMP1", table: "COMP_HDR", label: "Ondernemingen", stream: "company_settings", nested: "COMP_LN"},
	{code: "AR1", view: "ACCT_REC", table: "CONTACT", label: "Debiteuren", stream: "debtors", keep: isDebtor, side: []string{"USR_LINK", "AP_CONT"}},
	{code: "AP1", view: "ACCT_PAY", table: "CONTACT", label: "Crediteuren", stream: "creditors", keep: isCreditor, side: []string{"USR_LINK", "AP_CONT"}},
	{code: "CM1", table: "CONTACT", label: "Relaties", stream: "relations", side: []string{"USR_LINK", "AP_CONT"}},
	{code: "PP1", table: "PEOPLE", label: "Contactpersonen", stream: "contact_persons"},
	{code: "LNCP", table: "CON_PP", label: "Functies van contactpersonen", stream: "contact_person_roles"},
	{code: "ADDR", table: "DEL_ADDR", label: "Afleveradressen", stream: "delivery_addresses"},
	{code: "EM1", table: "EMPLOYEE", label: "Medewerkers", stream: "employees"},
	{code: "DPT", table: "DEPT", label: "Afdelingen", stream: "departments"},
	{code: "GL1", table: "LEDGER", label: "Grootboekrekeningen", stream: "ledger_accounts"},
	{code: "GJ1", table: "TRANSACT", label: "Mutaties", stream: "ledger_transactions", side: []string{"TRN_HDR"}},
	{code: "GJ2", table: "PREV_GJL", label: "Mutaties vorig boekjaar", stream: "ledger_transactions_previous_year"},
	{code: "GJH", table: "HST_GJL", label: "Historische mutaties", stream: "ledger_transactions_history"},
	{code: "GLC", view: "CARD_GL", table: "TRANSACT", label: "Grootboekkaarten", stream: "ledger_cards"},
	{code: "AR2", view: "CARD_DC", table: "TRANSACT", label: "Debiteur-/crediteurkaarten", stream: "debtor_creditor_cards", keep: hasContact},
	{code: "DJ1", table: "DAILY", label: "Dagboeken", stream: "journals"},
	{code: "DJ2", table: "DJ_PAGE", label: "Dagboekpagina's", stream: "journal_pages", child: "journal_lines", lines: "DJ_LINE", side: []string{"DJ_LINE", "USR_LINK", "PAGE_WF"}},
	{code: "DJ2P", view: "DJP_PCHS", table: "DJ_PAGE", label: "Inkooppagina's", keep: ofJournal("INK"), side: []string{"DJ_LINE"}},
	{code: "DJ2S", view: "DJP_SALE", table: "DJ_PAGE", label: "Verkooppagina's", keep: ofJournal("VRK"), side: []string{"DJ_LINE"}},
	{code: "CC1", table: "COST", label: "Kostenplaatsen", stream: "cost_centers"},
	{code: "PC1", table: "PC_TYPE", label: "Kostensoorten", stream: "cost_types"},
	{code: "DC1", table: "DST_CODE", label: "Verdeelsleutels", stream: "distribution_keys"},
	{code: "VA1", table: "VAT", label: "Btw-codes", stream: "vat_codes"},
	{code: "VAT", table: "VAT_HDR", label: "Btw-aangiften", stream: "vat_returns"},
	{code: "PER", table: "PERIOD", label: "Perioden", stream: "periods"},
	{code: openItems, table: "OPENITEM", label: "Openstaande posten", stream: "open_items"},
	{code: "RE1", view: "REMINDER", table: "OPENITEM", label: "Aanmaningen", stream: "reminders", keep: reminded},
	{code: "PG1", view: "OPEN_PG", table: "OPENITEM", label: "Betaalvoorstellen", stream: "payment_proposals", keep: func(r *row) bool { return !itemKind(r) }},
	{code: "DD1", view: "OPEN_DD", table: "OPENITEM", label: "Incasso's", stream: "direct_debits", keep: collected},
	{code: "PT1", table: "PAY_COND", label: "Betalingscondities", stream: "payment_conditions"},
	{code: "AK1", table: "ARTICLE", label: "Artikelen", stream: "articles"},
	{code: "AG1", table: "ART_GRP", label: "Artikelgroepen", stream: "article_groups"},
	{code: "AKH", view: "CRS_AKH", table: "ART_LINE", label: "Artikelhistorie", stream: "article_history"},
	{code: "ALH", table: "HST_AL", label: "Artikelhistorie, meer jaren", stream: "article_history_years", joined: "HST_AH"},
	{code: "SH1", table: "HST_AH", label: "Verwerkte leveringen", stream: "processed_deliveries"},
	{code: "SO1", table: "SO_HDR", label: "Verkooporders", stream: "sales_orders", child: "sales_order_lines", lines: "SO_LINE", side: []string{"SO_LINE"}},
	{code: "SI1", table: "SOI_HDR", label: "Verkoopfacturen", stream: "sales_invoices", child: "sales_invoice_lines", lines: "SOI_LINE", side: []string{"SOI_LINE"}},
	{code: "POL", table: "PO_LINE", label: "Inkooporderregels", stream: "purchase_order_lines"},
	{code: "PJ1", table: "PROJECTS", label: "Projecten", stream: "projects"},
	{code: "IL1", table: "ISO_CNT", label: "Landen", stream: "countries"},
	{code: "CU1", table: "CUR_CODE", label: "Valuta", stream: "currencies"},
	{code: "ICUR", table: "ISO_CUR", label: "ISO-valuta", stream: "iso_currencies"},
	{code: "BN1", table: "BANK", label: "Banken", stream: "banks"},
	{code: "TLB1", table: "TBM_LINE", label: "Bankmutaties", stream: "bank_mutations"},
	{code: "AC1", table: "ACTION", label: "Activiteiten", stream: "activities"},
	{code: "SBS", table: "SBS_HDR", label: "Abonnementen", stream: "subscriptions"},
	{code: "SBSL", table: "SBS_LINE", label: "Abonnementsregels", stream: "subscription_lines"},
	{code: "FAH", table: "FA_HDR", label: "Vaste activa", stream: "fixed_assets"},
	{code: "FAG", table: "FA_GRP", label: "Activagroepen", stream: "fixed_asset_groups"},
	{code: "FAL", table: "FA_LINE", label: "Activaregels", stream: "fixed_asset_lines"},
	{code: "BSC", table: "BUD_SCOD", label: "Budgetten", stream: "budgets"},
	{code: "BS1", table: "BUD_SCEN", label: "Budgetregels", stream: "budget_lines"},
	{code: "EM2", table: "TIM_HDR", label: "Weekstaten", stream: "time_weeks"},
	{code: "TT1", table: "TIM_TYPE", label: "Uursoorten", stream: "hour_types"},
	{code: "EH1T", table: "TIM_HIST", label: "Urenhistorie", stream: "time_history"},
	{code: "USRL", table: "USR_LINK", label: "Documentkoppelingen", stream: "document_links"},
	{code: "DJI", table: "DJ_IMP", label: "Dagboekberichten", stream: "journal_messages"},
	{code: "TL2", table: "ADM_LOG", label: "Logboek", stream: "audit_trail"},
}

// openItems is the code of open items. GUESS; by the fault other-codes it is
// another one, which the dictionary tells.
const (
	openItems      = "OI1"
	openItemsOther = "OPI"
)

func ofJournal(code string) func(*row) bool {
	return func(r *row) bool {
		journal, _ := pagePlace(r.s, r.i)
		return journal == code
	}
}

// name is that of the object in the dictionary.
func (o *object) name() string {
	if o.view != "" {
		return o.view
	}
	return o.table
}

// objectByCode finds an object by its code, in any case. CON is what one client
// asks relations by (CLIENT).
func (s *Service) objectByCode(code string) *object {
	code = strings.ToUpper(code)
	if code == "CON" {
		code = "CM1"
	}
	if s.on("other-codes", "open_items") {
		switch code {
		case openItems:
			return nil
		case openItemsOther:
			code = openItems
		}
	}
	for k := range objects {
		if objects[k].code == code {
			return &objects[k]
		}
	}
	return nil
}

// part is what a stream reads: an object, or the lines in its answers.
type part struct {
	*object
	child bool
	short bool
}

// streamPart finds a stream.
func streamPart(name string) (part, bool) {
	if name == short {
		name = "articles"
		for k := range objects {
			if objects[k].stream == name {
				return part{object: &objects[k], short: true}, true
			}
		}
	}
	for k := range objects {
		switch o := &objects[k]; {
		case name == "":
		case o.stream == name:
			return part{object: o}, true
		case o.child == name:
			return part{object: o, child: true}, true
		}
	}
	return part{}, false
}

// yearly are the streams whose rows are told apart by their book years.
func (p part) yearly() bool {
	return p.stream == "ledger_transactions" || p.stream == "journal_pages"
}
