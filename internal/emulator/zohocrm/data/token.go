package data

import (
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

const tokenLife = 24 * time.Hour // DOC

// token is what a page_token stands for. Nothing is kept for it: the text
// holds all, hidden well enough that nobody takes it apart.
type token struct {
	bound  uint64 // hash of the parameters it belongs to
	expiry int64  // seconds since 1970
	at, id int64  // key and id of the last row
	place  int64  // in the view, after the last row
	done   int64  // rows given so far
}

const tokenSeed = 0x70a6e

// String is the token as it is sent.
func (t *token) String() string {
	words := []uint64{t.bound, uint64(t.expiry), uint64(t.at), uint64(t.id), uint64(t.place), uint64(t.done)}
	sum := uint64(tokenSeed)
	for _, w := range words {
		sum = rows.Mix(sum, w)
	}
	out := binary.BigEndian.AppendUint64(nil, sum)
	for k, w := range words {
		out = binary.BigEndian.AppendUint64(out, w^rows.Mix(sum, uint64(k)))
	}
	return hex.EncodeToString(out)
}

func parseToken(text string) (*token, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 7*8 {
		return nil, false
	}
	sum := binary.BigEndian.Uint64(raw)
	check := uint64(tokenSeed)
	var words [6]uint64
	for k := range words {
		words[k] = binary.BigEndian.Uint64(raw[8*(k+1):]) ^ rows.Mix(sum, uint64(k))
		check = rows.Mix(check, words[k])
	}
	t := &token{words[0], int64(words[1]), int64(words[2]), int64(words[3]), int64(words[4]), int64(words[5])}
	return t, check == sum
}

// readToken checks a token against the parameters it comes with.
func (o *Org) readToken(text string, bound uint64) (*token, *Error) {
	t, ok := parseToken(text)
	switch {
	case !ok:
		return nil, errParam("page_token")
	case o.opts.Now().Unix() >= t.expiry:
		return nil, &Error{Status: 400, Code: "EXPIRED_VALUE", Message: "the page_token has expired", Details: map[string]any{"api_name": "page_token", "json_path": "$.page_token"}}
	case t.bound != bound:
		return nil, &Error{Status: 400, Code: "TOKEN_BOUND_DATA_MISMATCH", Message: "the request differs from the one the page_token was made for", Details: param("page_token")}
	}
	return t, nil
}

// binding hashes what must stay the same along a chain of tokens: the module,
// every parameter but the page itself, and the header If-Modified-Since.
func (o *Org) binding(m *module, q url.Values, since time.Time) uint64 {
	h := rows.MixText(o.opts.Seed, m.api)
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if name != "page" && name != "page_token" {
			h = rows.MixText(h, name+"="+strings.Join(q[name], "\x00"))
		}
	}
	if !since.IsZero() && !o.on(UnboundSince) {
		h = rows.Mix(h, uint64(since.Unix()))
	}
	return h
}

func hexText(raw []byte) string { return hex.EncodeToString(raw) }

// splitHex takes sum-hex apart.
func splitHex(text string) (sum string, raw []byte) {
	sum, rest, _ := strings.Cut(text, "-")
	raw, err := hex.DecodeString(rest)
	if err != nil {
		return "", nil
	}
	return sum, raw
}
