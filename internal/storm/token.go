package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// bank stands before a stand-in's sign-in and gives out tokens of its own, since the
// time at which a vendor's expire cannot be waited for. A refresh token that rotates
// is burnt once what it brought is used, or, if strict, at once: the former forgives
// an answer that got lost on its way, which no client can help, and does not forgive
// one that is used before it is stored.
type bank struct {
	rules stream.OAuth
	path  string // of the token endpoint

	mu      sync.Mutex
	strict  bool
	inner   string // the stand-in's refresh token
	access  string // the stand-in's access token
	serial  int
	valid   []string       // refresh tokens, oldest first
	given   map[string]int // access token: place of its refresh token, by serial
	used    map[string]int // how often
	expired map[string]bool
	all     []string // every secret that was given out, or came from the stand-in
	renewed int
	refused int
}

func newBank(rules stream.OAuth, path, refresh string) *bank {
	return &bank{rules: rules, path: path, inner: refresh, valid: []string{refresh}, given: map[string]int{}, used: map[string]int{}, expired: map[string]bool{}}
}

// expire ends all access tokens that were used for a while: one that is refused when
// it is new tells of no end, but of a sign-in that is over.
func (b *bank) expire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for t, n := range b.used {
		if n > 2 {
			b.expired[t] = true
		}
	}
}

// good tells whether a refresh token can still be used.
func (b *bank) good(refresh string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.valid, refresh)
}

func (b *bank) secrets() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.all)
}

// spent burns what is older than a refresh token. The caller holds the lock.
func (b *bank) spent(refresh string) {
	if i := slices.Index(b.valid, refresh); i > 0 && b.rules.Rotates {
		b.valid = b.valid[i:]
	}
}

// pass puts the stand-in's access token in the place of ours.
func (b *bank) pass(r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), b.rules.Prefix)
	if !ok {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	serial, known := b.given[token]
	if !known || b.expired[token] {
		r.Header.Set("Authorization", b.rules.Prefix+"expired"+token) // the stand-in words its refusal
		return
	}
	b.used[token]++
	b.spent(b.refreshOf(serial))
	r.Header.Set("Authorization", b.rules.Prefix+b.access)
}

func (b *bank) refreshOf(serial int) string {
	return fmt.Sprintf("%s.storm%dRefresh=", b.inner, serial)
}

// renew answers a token request.
func (b *bank) renew(w http.ResponseWriter, r *http.Request, next http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // invariant: what net/http knows as an answer that is cut
	}
	form, _ := url.ParseQuery(string(body))
	b.mu.Lock()
	refresh := form.Get("refresh_token")
	ok := slices.Contains(b.valid, refresh)
	if ok {
		b.spent(refresh)
		form.Set("refresh_token", b.inner)
	} else {
		b.refused++
		form.Set("refresh_token", "burnt"+refresh)
	}
	b.mu.Unlock()
	inner := r.Clone(r.Context())
	text := form.Encode()
	inner.Body, inner.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	inner.Header.Set("Content-Length", strconv.Itoa(len(text)))
	inner.Header.Del("Accept-Encoding") // it is read here
	keep := &kept{ResponseWriter: w}
	next.ServeHTTP(keep, inner)
	keep.send(b.exchange(keep.body, refresh))
}

// exchange puts tokens of our own into an answer.
func (b *bank) exchange(body []byte, refresh string) []byte {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		return body
	}
	var access string
	if json.Unmarshal(m["access_token"], &access) != nil || access == "" {
		return body
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.access = access
	b.serial++
	b.renewed++
	ours := fmt.Sprintf("%s.storm%d/Access", access, b.serial)
	b.given[ours] = b.serial
	b.all = append(b.all, access, ours)
	m["access_token"], _ = json.Marshal(ours)
	if b.rules.Rotates {
		fresh := b.refreshOf(b.serial)
		if b.strict {
			b.valid = slices.DeleteFunc(b.valid, func(t string) bool { return t == refresh })
		}
		b.valid = append(b.valid, fresh)
		b.all = append(b.all, fresh)
		m["refresh_token"], _ = json.Marshal(fresh)
	}
	out, _ := json.Marshal(m)
	return out
}

// kept holds an answer back until it is whole.
type kept struct {
	http.ResponseWriter
	status int
	body   []byte
}

// WriteHeader keeps the status.
func (k *kept) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

// Write keeps the body.
func (k *kept) Write(p []byte) (int, error) {
	k.body = append(k.body, p...)
	return len(p), nil
}

func (k *kept) send(body []byte) {
	h := k.Header()
	if h.Get("Content-Encoding") != "" {
		body = k.body // nothing was exchanged in what is compressed
	}
	h.Del("Content-Length")
	k.ResponseWriter.WriteHeader(max(k.status, http.StatusOK))
	_, _ = k.ResponseWriter.Write(body) // a client that went away is no fault of ours
}
