package accountview_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	stand "github.com/tap-backoffice/tap-backoffice/internal/emulator/accountview"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// looked are streams of every way of reading.
var looked = []string{
	"administrations", "dictionary_tables", "dictionary_fields", "debtors", "creditors", "ledger_accounts", "ledger_transactions", "debtor_creditor_cards",
	"journal_pages", "journal_lines", "vat_codes", "periods", "open_items", "reminders", "articles", "article_stock", "article_history",
	"article_history_years", "sales_orders", "sales_order_lines", "company_settings",
}

// How a run ends under a switch: everything comes; or some of it fails with 6,
// and what does not fail is whole.
const (
	whole = iota
	loud
)

// outcomes are all switches of the stand-in, each the other side of a guess.
var outcomes = map[string]int{
	"errors-4xx": whole, "company-200": whole, "error-200": whole, "single-object": whole, "empty-404": whole, "view-keys": whole,
	"page-cap": whole, "lastkey-repeats": loud, "lastkey-ignored": loud, "pagenumber-ignored": loud, "shifting-order": whole,
	"offline": whole, "admin-blocked": whole, "stall": whole, "gateway": whole, "exclusive": whole, "list-flag": whole,
	"no-upper-bound": whole, "instant-since": whole, "joined-dot": whole, "other-codes": whole, "no-book-year": whole,
	"no-expires-in": whole, "ageing": whole, "stamped-balances": whole, "reusable": whole, "stale-dictionary": whole,
	"whole-lines": whole, "broken-years": whole, "stale-token": whole, "late-books": whole, "no-book-date": whole,
	"no-adm-code": whole, "other-books": whole, "inactive-unknown": whole,
	"noscope": -1, "noright": -1, // see TestNoRight
}

// paged switches show on lists of several pages.
var paged = []string{"page-cap", "lastkey-repeats", "lastkey-ignored", "pagenumber-ignored", "shifting-order", "gateway", "empty-404"}

// counted switches happen so often.
var counted = map[string]string{"error-200": "=2", "offline": "=3", "admin-blocked": "=2", "stall": "=1", "stale-token": "=1"}

func TestEverySwitchHasAnOutcome(t *testing.T) {
	require.Equal(t, slices.Sorted(maps.Keys(stand.Switches())), slices.Sorted(maps.Keys(outcomes)))
}

// TestSwitches: whichever way a guess turns out, nothing is lost, or the run says
// loudly that something is.
func TestSwitches(t *testing.T) {
	for n, name := range slices.Sorted(maps.Keys(outcomes)) {
		if outcomes[name] < 0 || sitetest.Brief() && n%6 > 0 {
			continue
		}
		for _, with := range []struct {
			name     string
			discover bool
		}{{"schemas", false}, {"dictionary", true}} {
			t.Run(name+" "+with.name, func(t *testing.T) {
				o := emulator.Options{Records: 45, Faults: name + counted[name]}
				if with.discover && slices.Contains(paged, name) {
					o.Records = 330
				}
				visit(t, o, func(t *testing.T, s *site) {
					run := s.run
					if name == "stall" { // a call that was given up may still be under way at the other end
						run = s.Run
					}
					out := run(ask{Only: looked, Discover: with.discover, Config: wide})
					outcome(t, s, out, outcomes[name] == loud)
				})
			})
		}
	}
}

// outcome wants every stream whole, or where that is allowed failed with 6.
func outcome(t *testing.T, s *site, out *output, mayFail bool) {
	t.Helper()
	if mayFail && out.Report.Err != nil {
		require.Equal(t, fault.Contract, fault.KindOf(out.Report.Err), "%v", out.Report.Err)
		return
	}
	require.NoError(t, out.Report.Err)
	failed := 0
	for _, name := range looked {
		res := out.Result(name)
		if res.Err != nil && mayFail {
			require.Equal(t, fault.Contract, fault.KindOf(res.Err), "%s: %v", name, res.Err)
			failed++
			continue
		}
		require.NoError(t, res.Err, name)
		require.Empty(t, res.Refused, name)
		s.same(out, name)
	}
	require.False(t, mayFail && failed == 0 && len(s.truth("debtors")) > 300, "the switch does nothing")
}

// TestNoRight: what the account may not read is skipped with the vendor's words.
func TestNoRight(t *testing.T) {
	for _, faults := range []string{"noright@debtors", "noscope@debtors", "noright@debtors,errors-4xx"} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: faults}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: []string{"debtors", "creditors"}})
				require.NoError(t, out.Report.Err)
				require.True(t, out.Result("debtors").Skipped)
				require.Equal(t, fault.Permission, fault.KindOf(out.Result("debtors").Err))
				require.ErrorContains(t, out.Result("debtors").Err, "U hebt geen rechten om deze gegevens te lezen.")
				s.whole(out, "creditors")
			})
		})
	}
}

// TestSmallerPages: where the gateway does not wait for a page, smaller ones are
// asked for, at once.
func TestSmallerPages(t *testing.T) {
	visit(t, emulator.Options{Records: 330, Faults: "gateway"}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"debtors", "journal_pages"}, Config: wide}).Complete()
		s.whole(out, "debtors")
		s.whole(out, "journal_pages")
		// One page of each stream was not made in time; so was none of the list of
		// administrations, which is short but asked for in long pages.
		require.Less(t, out.Took, 20*time.Minute)
	})
}
