package buchhaltungsbutler

import "strings"

const root = "/api/v1/"

// kind is what a path leads to.
type kind int

const (
	toNothing kind = iota
	toList
	toReceipt
	toTransaction
	toLedger
	toCreate
	toReport
	toHidden
)

// target is what a path leads to.
type target struct {
	kind   kind
	stream string // "" for no such path
	id     string // of a single row, as the path has it
	report string // the kind of a report
	long   bool   // the text of error 4 is the long one (DOC)
}

var paths = map[string]target{
	"receipts/get":                       {kind: toList, stream: "receipts"},
	"transactions/get":                   {kind: toList, stream: "transactions"},
	"postings/get":                       {kind: toList, stream: "postings"},
	"accounts/get":                       {kind: toList, stream: "accounts"},
	"receipts/assigned-transactions/get": {kind: toList, stream: "receipt_transactions"},
	"transactions/assigned-receipts/get": {kind: toList, stream: "transaction_receipts", long: true},
	"settings/get/postingaccounts":       {kind: toList, stream: "posting_accounts"},
	"settings/get/debtors":               {kind: toList, stream: "debtors"},
	"settings/get/creditors":             {kind: toList, stream: "creditors"},
	"cost-locations/get":                 {kind: toList, stream: "cost_locations", long: true},
	"reports/get/sums/ledger":            {kind: toLedger, stream: "account_ledger", long: true},
	"reports/get/sums":                   {kind: toReport, stream: "report_sums", report: "sums", long: true},
	"reports/get/bwa":                    {kind: toReport, stream: "report_bwa", report: "bwa", long: true},
	"reports/create/sums":                {kind: toCreate, stream: "report_sums/create", report: "sums", long: true},
	"reports/create/bwa":                 {kind: toCreate, stream: "report_bwa/create", report: "bwa", long: true},
	// Hidden paths that not every pair may ask (CLIENT SI).
	"postings-reservations/get": {kind: toHidden, stream: "postings_reservations"},
}

// route finds a path. An id stands in the path itself; the literal of the
// specification is no id: with receipts it is a bad one, with transactions no
// path (CLIENT DM L1).
func route(path string) target {
	rest, ok := strings.CutPrefix(path, root)
	if !ok {
		return target{}
	}
	if id, ok := strings.CutPrefix(rest, "receipts/get/"); ok && id != "" && !strings.Contains(id, "/") {
		return target{kind: toReceipt, stream: "receipt_details", id: id}
	}
	if id, ok := strings.CutPrefix(rest, "transactions/get/"); ok && id != "" && strings.Trim(id, "0123456789") == "" {
		return target{kind: toTransaction, stream: "transaction_details", id: id}
	}
	return paths[rest]
}

// Resource names the stream of a path; what makes a report is below its stream.
func (*Service) Resource(path string) string {
	if to := route(path); to.stream != "" {
		return to.stream
	}
	return "unknown"
}
