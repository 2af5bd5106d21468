package accountview

// tableSpec is what is written down of a table; its columns are in columns.txt.
type tableSpec struct {
	name    string
	key     string
	belongs belonging
	size    func(records int64) int64
	text    func(s *store, i int64) string
	fixed   bool
}

// How many rows tables have, for a number of rows of the large ones.
func all(n int64) int64 { return n }

// scaled is a share of the large tables, within bounds.
func scaled(share, least, most int64) func(int64) int64 {
	return func(n int64) int64 {
		if n == 0 {
			return 0
		}
		return min(max(n/share, least), most)
	}
}

func rowsOf(n int64) func(int64) int64 { return func(int64) int64 { return n } }

// contacts are more than the large tables, for only four in five are debtors.
func contactCount(n int64) int64 { return n + n/4 }

func none(int64) int64 { return 0 }

// tableSpecs are the tables of the streams. Line tables have no rows of their
// own: they follow from those of their parents.
var tableSpecs = []tableSpec{
	{"CONTACT", "SUB_NR", master, contactCount, contactKey, false},
	{"LEDGER", "ACCT_NR", master, scaled(4, 24, 2000), accountKey, false},
	{"TRANSACT", "REC_ID", perYear, all, recordKey, false},
	{"PREV_GJL", "REC_ID", perYear, scaled(4, 3, 200_000), recordKey, false},
	{"HST_GJL", "REC_ID", perCompany, scaled(2, 3, 500_000), recordKey, false},
	{"DAILY", "DJ_CODE", master, countOf(journalList), listed(journalList), false},
	{"DJ_PAGE", "DJ_CODE PAGE_NR", perYear, all, pageKey, false},
	{"DJ_LINE", "DJ_CODE PAGE_NR REC_ID", perYear, none, recordKey, false},
	{"TRN_HDR", "DJ_CODE PAGE_NR", perYear, none, recordKey, false},
	{"PAGE_WF", "REC_ID", perYear, none, recordKey, false},
	{"AP_CONT", "AP_CONTID", master, none, recordKey, false},
	{"COMP_HDR", "COMP_ID", perCompany, rowsOf(1), companyKey, false},
	{"COMP_LN", "ADM_CODE", perCompany, none, recordKey, false},
	{"ADM_LIST", "ADM_CODE", perCompany, none, listText, true},
	{"DCT_FILE", "DBF_NAME", perCompany, none, listText, true},
	{"DCT_FLD", "DBF_NAME FIELD_NAME", perCompany, none, listText, true},
	{"DCT_TAG", "DBF_NAME TAG_NAME", perCompany, none, listText, true},
	{"OPENITEM", "SUB_INV", master, all, itemKey, false},
	{"ARTICLE", "ART_CODE", master, all, articleKey, false},
	{"ART_GRP", "AG_CODE", master, scaled(20, 6, 500), numbered("AG", 4), false},
	{"ART_LINE", "REC_ID", perCompany, all, recordKey, false},
	{"HST_AL", "REC_ID", perCompany, all, recordKey, false},
	{"HST_AH", "REC_ID", perCompany, scaled(3, 4, 400_000), recordKey, false},
	{"SO_HDR", "REC_ID", master, scaled(2, 4, 500_000), recordKey, false},
	{"SO_LINE", "REC_ID", master, none, recordKey, false},
	{"SOI_HDR", "REC_ID", master, scaled(2, 4, 500_000), recordKey, false},
	{"SOI_LINE", "REC_ID", master, none, recordKey, false},
	{"PO_LINE", "REC_ID", master, scaled(4, 4, 200_000), recordKey, false},
	{"PEOPLE", "REC_ID", master, scaled(2, 4, 200_000), recordKey, false},
	{"CON_PP", "REC_ID", master, scaled(2, 4, 200_000), recordKey, false},
	{"DEL_ADDR", "REC_ID", master, scaled(3, 4, 200_000), recordKey, false},
	{"EMPLOYEE", "EMP_NR", master, scaled(20, 8, 500), numbered("", 5), false},
	{"DEPT", "REC_ID", master, rowsOf(7), recordKey, false},
	{"PROJECTS", "PROJ_CODE", master, scaled(5, 6, 100_000), numbered("P", 7), false},
	{"COST", "COST_CODE", master, scaled(20, 9, 400), numbered("0", 4), false},
	{"PC_TYPE", "PC_CODE", master, rowsOf(6), numbered("PC", 3), false},
	{"DST_CODE", "DIST_CODE", master, rowsOf(4), numbered("DV", 3), false},
	{"VAT", "VAT_CODE", master, countOf(vatList), listed(vatList), false},
	{"VAT_HDR", "REC_ID", master, rowsOf(12), recordKey, false},
	{"PERIOD", "PERIOD", master, rowsOf(12), periodKey, false},
	{"PAY_COND", "DISC_CODE", master, countOf(discountList), listed(discountList), false},
	{"ISO_CNT", "CNT_CODE", master, countOf(countryList), listed(countryList), false},
	{"CUR_CODE", "CUR_CODE", master, countOf(currencyList), listed(currencyList), false},
	{"ISO_CUR", "CUR_CODE", master, countOf(currencyList), listed(currencyList), false},
	{"BANK", "BNK_CODE", master, countOf(bankList), listed(bankList), false},
	{"TBM_LINE", "REC_ID", master, scaled(4, 4, 50_000), recordKey, false},
	{"ACTION", "REC_ID", master, scaled(4, 4, 50_000), recordKey, false},
	{"SBS_HDR", "REC_ID", master, scaled(10, 4, 5000), recordKey, false},
	{"SBS_LINE", "REC_ID", master, scaled(5, 4, 5000), recordKey, false},
	{"FA_HDR", "REC_ID", master, scaled(10, 4, 5000), recordKey, false},
	{"FA_GRP", "REC_ID", master, rowsOf(5), recordKey, false},
	{"FA_LINE", "REC_ID", master, scaled(5, 4, 5000), recordKey, false},
	{"BUD_SCOD", "REC_ID", master, rowsOf(3), recordKey, false},
	{"BUD_SCEN", "REC_ID", master, scaled(5, 4, 5000), recordKey, false},
	{"TIM_HDR", "REC_ID", master, scaled(10, 4, 5000), recordKey, false},
	{"TIM_TYPE", "REC_ID", master, rowsOf(8), recordKey, false},
	{"TIM_HIST", "REC_ID", master, scaled(4, 4, 50_000), recordKey, false},
	{"USR_LINK", "REC_ID", master, scaled(10, 4, 5000), recordKey, false},
	{"DJ_IMP", "REC_ID", master, rowsOf(5), recordKey, false},
	{"ADM_LOG", "REC_ID", perCompany, scaled(10, 4, 5000), recordKey, false},
}
