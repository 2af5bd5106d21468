package buchhaltungsbutler

import (
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// The faults that the stand-in carries out itself, next to noright, norows,
// moving, disputed and internal-error, which others have too. Most are guesses
// of which nobody knows which way the service decides.
const (
	throttle403    = "throttle-403"    // over the limit: 403 with code 15, as write paths do, in place of 429
	throttle500    = "throttle-500"    // over the limit: 500 with code 0
	throttleCounts = "throttle-counts" // what is refused for the limit counts, too
	clockMinute    = "clock-minute"    // the window is the minute of the clock, it does not slide
	crowded        = "crowded"         // other programs of the tenant use a share (0.5) of its calls
	restricted     = "restricted"      // 403 with code 15, whatever the limit (count)
	timeout504     = "timeout-504"     // 504 with code 30 (count)
	timeoutLarge   = "timeout-large"   // 504 with code 30 for pages of more than 100 rows and ledgers of more than 31 days
	sluggish       = "sluggish"        // an answer takes 30 seconds (count)

	uploadsModified = "uploads-modified" // uploads and imports set date_updated
	zoneUTC         = "zone-utc"         // the server's clock shows UTC
	undatedMatch    = "undated-match"    // a date window lets receipts without a date pass
	stableOffset    = "stable-offset"    // offset pages of filtered transactions are consistent
	unstable        = "unstable"         // offset pages without a unique order are not, differently each time
	unstableFixed   = "unstable-fixed"   // they are not, in the same way each time
	offsetIgnored   = "offset-ignored"   // every page is the first
	hiddenCap       = "hidden-cap"       // debtors, creditors, posting_accounts: 100 rows a page, silently
	smallDefault    = "small-default"    // postings, cost_locations: 25 rows unless a limit is given
	laxBody         = "lax-body"         // unknown members of the body are ignored everywhere
	moreColumns     = "more-columns"     // rows have columns that no document has
	ledgerTwice     = "ledger-twice"     // a posting can have two lines on one side of a ledger
	silentComments  = "silent-comments"  // a comment to a fixed posting is no last action

	reportBusy     = "report-busy"     // a report of somebody else is being made: 400 with code 12 (count)
	reportStuck    = "report-stuck"    // a report is never finished
	reportReplaced = "report-replaced" // somebody else makes a report meanwhile: this one is gone (count)
)

// The positions of the switches that stand for what nobody knows.
var (
	guesses = []string{
		zoneUTC, uploadsModified, undatedMatch, stableOffset, unstable, unstableFixed, hiddenCap, hiddenCap + "," + unstableFixed,
		smallDefault, laxBody, moreColumns, ledgerTwice, silentComments,
		strings.Join([]string{zoneUTC, uploadsModified, undatedMatch, hiddenCap, moreColumns, laxBody}, ","),
	}
	throttles = []string{
		timeoutLarge, timeoutLarge + "," + hiddenCap,
		throttle403, throttle500, throttleCounts, clockMinute, crowded,
		crowded + "," + throttle403, crowded + "," + throttleCounts, crowded + "," + clockMinute,
	}
	// deaf is a service that does not look at the offset, which a client guards
	// against (CLIENT CK).
	deaf = map[string][]string{offsetIgnored: {
		"receipts", "receipt_details", "receipt_transactions", "postings", "posting_accounts", "account_ledger",
		"debtors", "creditors", "cost_locations",
	}}
)

// decider tells which faults happen: the sandbox's list, or a test's.
type decider interface {
	Share(fault, resource string, standard float64) float64
	Fires(fault, resource string) bool
}

var _ decider = emulator.Env{}

// on tells whether a switch is set for a resource.
func (s *Service) on(name, resource string) bool { return s.faults.Share(name, resource, 1) > 0 }
