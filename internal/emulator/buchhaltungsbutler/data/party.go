package data

import (
	"fmt"
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// partyName is the name of a creditor (inbound) or debtor by the number of its
// row. Where there are none a receipt has some name all the same.
func (c *Company) partyName(inbound bool, index int64) string {
	if index < 0 {
		return companies[0]
	}
	kind := "debtor"
	if inbound {
		kind = "creditor"
	}
	return fmt.Sprintf("%s %d", pick(companies, c.hash(kind, index)), index+1)
}

// appendParty writes a debtor or creditor (CLIENT DM stammdaten): "" for what is
// not set, null for uid_ch, at times for the email, and for the customer number
// of creditors.
func (c *Company) appendParty(dst []byte, r rows.Row, creditor bool) []byte {
	t, kind, stream := c.debtors, "debitor", "debtors"
	if creditor {
		t, kind, stream = c.creditors, "creditor", "creditors"
	}
	n := c.note(t, r.ID)
	h := c.hash(kind, r.ID)
	w := writer{b: dst}
	w.open()
	w.text("type", kind)
	w.text("name", c.partyName(creditor, r.Index))
	w.id("postingaccount_number", r.ID)
	w.text("contact_person_name", pick(contacts, h))
	street := pick(streets, h>>4)
	if n.edits > 0 {
		street = fmt.Sprintf("Neue Straße %d", n.edits)
	}
	w.text("street", street)
	w.text("additional_addressline", pick([]string{"", "", "Hinterhaus"}, h>>8))
	w.text("zip", pick(zips, h>>12))
	w.text("city", pick(cities, h>>12))
	w.text("country", pick(countries, h>>16))
	w.maybe("customer_number", pick([]string{"", "K-17", "0042"}, h>>20), !creditor)
	w.text("sales_tax_id_eu", pick([]string{"", "", "DE123456789", "ATU12345678"}, h>>24))
	w.maybe("email", pick(emails, h>>28), h>>32%7 != 0)
	w.maybe("uid_ch", "CHE-123.456.789", h>>36%11 == 0)
	bank := pick(banks, h>>40)
	if h>>44%2 == 0 {
		bank.number, bank.code = "", ""
	}
	w.text("iban", bank.number)
	w.text("bic", bank.code)
	w.either("import_pending", 0, c.otherTypes(stream, r.ID))
	w.more(c, r.ID)
	w.done()
	return w.b
}

// centreCode is the code of a cost centre, at most ten characters (DOC).
func centreCode(id int64) string {
	switch id % 4 {
	case 0:
		return fmt.Sprintf("%04d", id)
	case 1:
		return fmt.Sprintf("KST-%d", id)
	case 2:
		return fmt.Sprintf("BÜRO/%d", id)
	}
	return fmt.Sprintf("p.%d", id)
}

func (c *Company) centreName(id int64) string {
	name := pick([]string{"Vertrieb", "Verwaltung", "Lager & Logistik", "Fuhrpark", "Büro „Süd“"}, c.hash("centre", id))
	if n := c.note(c.centres, id); n.edits > 0 {
		name = fmt.Sprintf("%s (neu %d)", name, n.edits)
	}
	return name
}

func (c *Company) appendCentre(dst []byte, r rows.Row) []byte {
	w := writer{b: dst}
	w.open()
	w.text("code", centreCode(r.ID))
	w.text("name", c.centreName(r.ID))
	w.more(c, r.ID)
	w.done()
	return w.b
}

// account is a ledger account or a payment account.
type account struct {
	number        int64 // 0: none
	name          string
	kind, subtype string
	parent        int64 // template account, 0 for none
}

// accountNumbers are the payment accounts that have transactions.
var accountNumbers = []int64{cash, 1200, 1210, 1361}

// paymentAccounts are what /accounts/get gives. A number can be null (CLIENT OB).
var paymentAccounts = []account{
	{1200, "Geschäftskonto Sparkasse", "account", "bank/institution", 0},
	{1210, "Tagesgeld", "account", "bank/institution", 0},
	{cash, "Kasse", "account", "cash", 0},
	{1361, "Kreditkarte \"Gold\"", "account", "other", 0},
	{1201, "PayPal, EUR", "account", "other", 1200},
	{0, "Altes Konto (ohne Nummer)", "account", "", 0},
}

// known are accounts of the standard chart SKR03 that postings use; others of
// the chart are made up. Numbers have no zeros in front: 27 is DATEV's 0027.
var known = []account{
	{27, "EDV-Software", "postingaccount", "default", 0},
	{410, "Geschäftsausstattung", "postingaccount", "default", 0},
	{1576, "Abziehbare Vorsteuer 19 %", "postingaccount", "default", 0},
	{1776, "Umsatzsteuer 19 %", "postingaccount", "default", 0},
	{2650, "Sonstige Zinsen und ähnliche Erträge", "postingaccount", "default", 0},
	{3400, "Wareneingang 19 % Vorsteuer", "postingaccount", "default", 0},
	{4120, "Gehälter", "postingaccount", "default", 0},
	{4210, "Miete (unbewegliche Wirtschaftsgüter)", "postingaccount", "default", 0},
	{4530, "Laufende Kfz-Betriebskosten", "postingaccount", "default", 0},
	{4830, "Abschreibungen auf Sachanlagen", "postingaccount", "default", 0},
	{4930, "Bürobedarf", "postingaccount", "default", 0},
	{4931, "Bürobedarf \"Projekt Ä\"", "postingaccount", "default", 4930},
	{4970, "Nebenkosten des Geldverkehrs", "postingaccount", "default", 0},
	{8400, "Erlöse 19 % USt", "postingaccount", "default", 0},
	{8401, "Erlöse Shop", "postingaccount", "default", 8400},
}

var (
	expenses = []int64{3400, 4210, 4530, 4930, 4931}
	earnings = []int64{8400, 8400, 8401}
)

// The collective accounts of the parties.
const (
	allDebtors   = 10000
	allCreditors = 70000
)

// openAccounts lays out the chart: the whole standard chart is in it, more than
// a thousand rows (CLIENT DM), fewer in a small sandbox.
func (c *Company) openAccounts() {
	if !c.opts.Empty("accounts") {
		c.payment = paymentAccounts
	}
	if c.opts.Empty("posting_accounts") {
		return
	}
	c.chart = slices.Clone(known)
	taken := make(map[int64]bool)
	for _, a := range paymentAccounts {
		if a.number != 0 {
			c.chart = append(c.chart, a)
		}
	}
	for _, a := range c.chart {
		taken[a.number] = true
	}
	want := min(max(int64(c.opts.Records)*6/5, 0), 1180)
	for number := int64(1); int64(len(c.chart)) < want; number += 8 {
		if !taken[number] {
			c.chart = append(c.chart, account{number, fmt.Sprintf("Konto %04d, frei", number), "postingaccount", "default", 0})
		}
	}
	slices.SortFunc(c.chart, func(a, b account) int { return int(a.number - b.number) })
}

// parties are the accounts that stand for debtors and creditors.
func (c *Company) partyAccount(r rows.Row, creditor bool) account {
	kind := "debtor"
	if creditor {
		kind = "creditor"
	}
	return account{r.ID, c.partyName(creditor, r.Index), kind, "", 0}
}

// findAccount finds an account by its number.
func (c *Company) findAccount(number int64) (account, bool) {
	if k, ok := slices.BinarySearchFunc(c.chart, number, func(a account, n int64) int { return int(a.number - n) }); ok {
		return c.chart[k], true
	}
	if len(c.chart) == 0 {
		return account{}, false
	}
	switch number {
	case allDebtors:
		return account{allDebtors, "Debitoren Sammelkonto", "debtor collective", "", 0}, true
	case allCreditors:
		return account{allCreditors, "Kreditoren Sammelkonto", "creditor collective", "", 0}, true
	}
	if r, ok := c.debtors.Get(number); ok {
		return c.partyAccount(r, false), true
	}
	if r, ok := c.creditors.Get(number); ok {
		return c.partyAccount(r, true), true
	}
	return account{}, false
}

// appendAccount writes a row of the ledger accounts: "" for no parent's number
// next to null for its name, null for the subtype of parties (CLIENT).
func (c *Company) appendAccount(dst []byte, a account) []byte {
	w := writer{b: dst}
	w.open()
	w.id("postingaccount_number", a.number)
	w.text("name", a.name)
	w.text("type", a.kind)
	w.maybe("subtype", a.subtype, a.subtype != "")
	if parent, ok := c.findAccount(a.parent); ok && a.parent != 0 {
		w.id("parent_postingaccount_number", a.parent)
		w.text("parent_name", parent.name)
	} else {
		w.text("parent_postingaccount_number", "")
		w.null("parent_name")
	}
	w.more(c, a.number)
	w.done()
	return w.b
}

func (c *Company) appendPayment(dst []byte, a account) []byte {
	w := writer{b: dst}
	w.open()
	w.text("name", a.name)
	if a.number == 0 {
		w.null("postingaccount_number")
	} else {
		w.id("postingaccount_number", a.number)
	}
	w.more(c, a.number)
	w.done()
	return w.b
}
