package slascone

import (
	"encoding/json"
	"net/http"
	"time"
)

// consume adds consumption, for the client of a license; timestamp_utc may lie in
// the past (DOC).
func consume(c *call) *reply {
	if a := c.known("client_id", "consumption_heartbeat", "token_key"); a != nil {
		return a
	}
	var beats []struct {
		Limitation string       `json:"limitation_id"`
		Value      *json.Number `json:"value"`
		At         *time.Time   `json:"timestamp_utc"`
	}
	if json.Unmarshal(c.body["consumption_heartbeat"], &beats) != nil || len(beats) == 0 {
		return refused(problem(http.StatusBadRequest, "The field consumption_heartbeat is required."))
	}
	l, ok := c.clientsLicense(c.text("client_id"))
	if !ok {
		return refused(conflict(2006, "Client is not known."))
	}
	now := atNow()
	answers := []map[string]any{}
	for _, b := range beats {
		u, _ := readUUID(b.Limitation)
		k, index, known := c.w.locate(u)
		if !known || k != limitation || index/c.w.byKind[limitation].slots != c.w.productOf(l) {
			return refused(conflict(3003, "Limitation is not known."))
		}
		if b.Value == nil {
			return refused(problem(http.StatusBadRequest, "The field value is required."))
		}
		value, _ := b.Value.Float64()
		r := c.w.addChild(c.w.byKind[consumption], l, now, func(ch *change) {
			ch.value, ch.product = int64(value*1000), index
			if b.At != nil {
				ch.event = ticksOf(*b.At)
			}
		})
		answers = append(answers, map[string]any{
			"transaction_id": c.w.transaction(c.w.beatOf(r)).String(), "limitation_id": b.Limitation,
			"limit": json.RawMessage(appendThousandths(nil, consumptionLimit)), "goodwill": nil,
			"balance":             json.RawMessage(appendThousandths(nil, c.w.balanceAt(r, false))),
			"remaining":           json.RawMessage(appendThousandths(nil, consumptionLimit-c.w.balanceAt(r, false))),
			"last_reset_date_utc": json.RawMessage((c.w.start - 20*day).append(nil, 0)), "next_reset_date_utc": nil,
		})
	}
	return good(asJSON(answers))
}

// clientsLicense is the license whose first token a client holds.
func (c *call) clientsLicense(client string) (row, bool) {
	t := c.w.byKind[assignment]
	for l := range c.w.all(c.w.byKind[license]) {
		if c.w.clientOf(row{t: t, index: t.at(l.index, 0)}) == client {
			return l, true
		}
	}
	return row{}, false
}

// rollback takes a transaction back (DOC).
func rollback(c *call) *reply {
	if a := c.known("limitation_id", "transaction_id"); a != nil {
		return a
	}
	u, _ := readUUID(c.text("transaction_id"))
	k, index, ok := c.w.locate(u)
	if !ok || k != loose || index&transactions == 0 {
		return refused(conflict(2006, "Transaction is not known."))
	}
	index &^= transactions
	if _, live := c.w.getChild(c.w.byKind[consumption], index); !live {
		return refused(conflict(2006, "Transaction is not known."))
	}
	c.w.roll(index, atNow())
	return good([]byte("{}"))
}
