package data

import "github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"

// The m:n relation of receipts and transactions follows from the numbers of the
// rows, so that both ends compute the same:
//
//	transaction 3r    pays inbound receipt r
//	transaction 3r+1  pays the rest of it, one r in seven
//	transaction 3r+2  pays outbound receipt r, and r+1 too, one r in five

// link is one assignment.
type link struct {
	inbound     bool
	receipt     int64 // number of the row in its table
	transaction int64 // the same
}

// home is the list in which a receipt was at first, and its number there; false
// for one that is in no relation.
func (c *Company) home(id int64) (inbound bool, index int64, ok bool) {
	if index, exact := c.in.IDs().Row(id); exact {
		return true, index, true
	}
	if index, exact := c.out.IDs().Row(id); exact {
		return false, index, true
	}
	return false, 0, false
}

// homeTable is the list of receipts that are not deleted.
func (c *Company) homeTable(inbound bool) *rows.Table {
	if inbound {
		return c.in
	}
	return c.out
}

func (c *Company) receiptID(l link) int64     { return c.homeTable(l.inbound).IDs().ID(l.receipt) }
func (c *Company) transactionID(l link) int64 { return c.transactions.IDs().ID(l.transaction) }

// shared tells whether an outbound receipt is paid together with the one before.
func shared(outbound int64) bool { return outbound%5 == 2 }

// partial tells whether an inbound receipt is paid in two parts.
func partial(inbound int64) bool { return inbound%7 == 3 }

// planned are the links of a transaction as they were laid out.
func planned(t int64) []link {
	q := t / 3
	switch t % 3 {
	case 0:
		return []link{{true, q, t}}
	case 1:
		if partial(q) {
			return []link{{true, q, t}}
		}
		return nil
	}
	if shared(q + 1) {
		return []link{{false, q, t}, {false, q + 1, t}}
	}
	return []link{{false, q, t}}
}

// there tells whether both ends of a link live. What takes a transaction back
// pays nothing.
func (c *Company) there(l link) bool {
	if c.note(c.transactions, c.transactionID(l)).reverses != 0 {
		return false
	}
	_, receipt := c.homeTable(l.inbound).Get(c.receiptID(l))
	_, transaction := c.transactions.Get(c.transactionID(l))
	return receipt && transaction
}

// linksOf are the live links of a transaction.
func (c *Company) linksOf(t int64) []link {
	var out []link
	for _, l := range planned(t) {
		if c.there(l) {
			out = append(out, l)
		}
	}
	return out
}

// payments are the live links of a receipt, by transaction.
func (c *Company) payments(inbound bool, r int64) []link {
	var list []link
	switch {
	case inbound && partial(r):
		list = []link{{true, r, 3 * r}, {true, r, 3*r + 1}}
	case inbound:
		list = []link{{true, r, 3 * r}}
	case shared(r):
		list = []link{{false, r, 3*r - 1}, {false, r, 3*r + 2}}
	default:
		list = []link{{false, r, 3*r + 2}}
	}
	var out []link
	for _, l := range list {
		if c.there(l) {
			out = append(out, l)
		}
	}
	return out
}

// confirmed tells whether an assignment was confirmed: confirmed_only leaves
// the others out.
func (c *Company) confirmed(l link) bool { return c.hash("confirmed", l.transaction)%6 != 0 }

// share is what a transaction moves for a receipt, in cents and signed as the
// account sees it.
func (c *Company) share(l link) int64 {
	cents := c.gross(l.inbound, l.receipt)
	switch {
	case !l.inbound && shared(l.receipt) && l.transaction == 3*l.receipt+2:
		cents /= 5 // a rest that was paid later
	case !l.inbound && shared(l.receipt):
		cents -= cents / 5
	case !l.inbound:
	case partial(l.receipt) && l.transaction%3 == 0:
		cents = -(cents / 2)
	case partial(l.receipt):
		cents = -(cents - cents/2)
	default:
		cents = -cents
	}
	return cents
}

// moved is the amount of a transaction as it was laid out.
func (c *Company) moved(t int64) int64 {
	list := planned(t)
	if len(list) == 0 {
		return int64(c.hash("moved", t)%90_000) - 60_000
	}
	var sum int64
	for _, l := range list {
		sum += c.share(l)
	}
	return sum
}
