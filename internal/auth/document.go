package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/secret"
)

// entry is what the store holds of one grant.
type entry struct {
	access, refresh secret.Text
	obtained        time.Time // when the answer that brought the access token was here
	expires         time.Time // zero where the vendor did not say
	// config is the hash of the refresh token that the config held when the
	// entry was made, "" for none.
	config   string
	renewals []time.Time       // of late, where the vendor counts them
	kept     map[string]string // further members of the answer
}

// entryKey tells entries apart.
type entryKey struct{ source, tokenURL, clientID string }

// entryJSON is an entry as the file has it.
type entryJSON struct {
	Source   string            `json:"source"`
	TokenURL string            `json:"token_url"`
	ClientID string            `json:"client_id"`
	Access   string            `json:"access_token"`
	Refresh  string            `json:"refresh_token"`
	Obtained time.Time         `json:"obtained_at,omitzero"`
	Expires  time.Time         `json:"expires_at,omitzero"`
	Config   string            `json:"config_token_sha256"`
	Renewals []time.Time       `json:"renewals,omitempty"`
	Kept     map[string]string `json:"kept,omitempty"`
}

// Format keeps package fmt from printing the tokens.
func (entryJSON) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "entry ***") }

// document is the file: what we do not know of it survives.
type document struct {
	members map[string]json.RawMessage
	entries []json.RawMessage
}

// Format keeps package fmt from printing the tokens.
func (*document) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "token store ***") }

const entriesMember = "tokens"

// hashOf is the trace of a refresh token, "" of none. A refresh token is long
// and random, so that its hash gives nothing away.
func hashOf(token secret.Text) string {
	if token.Empty() {
		return ""
	}
	sum := sha256.Sum256([]byte(token.Reveal()))
	return hex.EncodeToString(sum[:])
}

// parseDocument reads a file. Its error shows nothing of the content.
func parseDocument(data []byte) (*document, error) {
	d := &document{members: map[string]json.RawMessage{}}
	if err := json.Unmarshal(data, &d.members); err != nil || d.members == nil {
		return nil, notStore(data, err)
	}
	if raw, ok := d.members[entriesMember]; ok {
		if err := json.Unmarshal(raw, &d.entries); err != nil {
			return nil, errors.New(`its member "tokens" is no array`)
		}
	}
	return d, nil
}

// notStore says where JSON ends to be JSON; the errors of encoding/json quote
// what they stumble over.
func notStore(data []byte, err error) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return errors.New("it is empty")
	}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return errors.New("it is no JSON from byte " + strconv.FormatInt(s.Offset, 10) + " on")
	}
	return errors.New("it is no JSON object")
}

// find returns the entry under key and its place, -1 for none.
func (d *document) find(key entryKey) (entry, int, error) {
	for i, raw := range d.entries {
		var id struct {
			Source   string `json:"source"`
			TokenURL string `json:"token_url"`
			ClientID string `json:"client_id"`
		}
		if json.Unmarshal(raw, &id) != nil || (entryKey{id.Source, id.TokenURL, id.ClientID}) != key {
			continue // of another, perhaps later, program
		}
		var e entryJSON
		if json.Unmarshal(raw, &e) != nil {
			return entry{}, -1, errors.New("its entry " + strconv.Itoa(i+1) + " cannot be read")
		}
		return entry{
			access: secret.New(e.Access), refresh: secret.New(e.Refresh),
			obtained: e.Obtained, expires: e.Expires, config: e.Config, renewals: e.Renewals, kept: e.Kept,
		}, i, nil
	}
	return entry{}, -1, nil
}

// with returns the file's content with e under key; unknown members of the
// entry stay.
func (d *document) with(key entryKey, e entry) ([]byte, error) {
	known, err := json.Marshal(entryJSON{
		Source: key.source, TokenURL: key.tokenURL, ClientID: key.clientID,
		Access: e.access.Reveal(), Refresh: e.refresh.Reveal(),
		Obtained: e.obtained.UTC().Round(0), Expires: utc(e.expires),
		Config: e.config, Renewals: e.renewals, Kept: e.kept,
	})
	if err != nil {
		return nil, err
	}
	_, at, err := d.find(key)
	if err != nil {
		return nil, err
	}
	merged := map[string]json.RawMessage{}
	if at >= 0 {
		if err := json.Unmarshal(d.entries[at], &merged); err != nil {
			return nil, err
		}
		for _, optional := range []string{"obtained_at", "expires_at", "renewals", "kept"} {
			delete(merged, optional)
		}
	}
	if err := json.Unmarshal(known, &merged); err != nil {
		return nil, err
	}
	text, err := json.Marshal(merged)
	if err != nil {
		return nil, err
	}
	entries := append([]json.RawMessage{}, d.entries...)
	if at >= 0 {
		entries[at] = text
	} else {
		entries = append(entries, text)
	}
	members := map[string]json.RawMessage{}
	maps.Copy(members, d.members)
	if members[entriesMember], err = json.Marshal(entries); err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(members, "", "  ")
	return append(out, '\n'), err
}

// utc drops the monotonic reading and the zone, and leaves the zero time alone.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Round(0)
}
