package cli_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// needles are credentials to look for in all that a process leaves behind: any
// twelve bytes of one in any spelling, so that half of one is found as well. How
// a credential may be spelt is told here a second time, on purpose: what masks
// them is not asked.
type needles struct {
	mu    sync.Mutex
	known map[string]string   // what they are by what they are for, for messages
	parts map[[part]byte]find // of every spelling
}

const part = 12

// find is what was found: whose, and how it is spelt.
type find struct{ name, spelling string }

func (n *needles) add(name, value string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.parts == nil {
		n.parts, n.known = map[[part]byte]find{}, map[string]string{}
	}
	n.known[name] = value
	for spelling, text := range spelt(value) {
		for i := 0; i+part <= len(text); i++ {
			n.parts[[part]byte([]byte(text[i:i+part]))] = find{name, spelling}
		}
	}
	return value
}

// in returns the first credential in a text, and what is around it.
func (n *needles) in(text []byte) (found find, around string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := 0; i+part <= len(text); i++ {
		if f, ok := n.parts[[part]byte(text[i:i+part])]; ok {
			return f, string(text[max(i-80, 0):min(i+80, len(text))])
		}
	}
	return find{}, ""
}

// absent wants none of them in a text.
func (n *needles) absent(t *testing.T, what string, text []byte) {
	t.Helper()
	if f, around := n.in(text); f.name != "" {
		require.Fail(t, "a credential was found", "%s (%s) is in %s: %q", f.name, f.spelling, what, around)
	}
}

// absentBelow wants none of them in the files and their names below a folder.
func (n *needles) absentBelow(t *testing.T, dir string, but ...string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains(but, path) {
			return nil
		}
		n.absent(t, "the name of a file", []byte(strings.TrimPrefix(path, dir)))
		if d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			n.absent(t, strings.TrimPrefix(path, dir), text)
		}
		return nil
	}))
}

// spelt returns how a credential may turn up.
func spelt(v string) map[string]string {
	quoted, _ := json.Marshal(v)
	var plain strings.Builder
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	out := map[string]string{
		"plain": v, "query": url.QueryEscape(v), "path": url.PathEscape(v), "form": url.Values{"k": {v}}.Encode(),
		"JSON": string(quoted), "JSON without HTML": plain.String(), "JSON with \\/": strings.ReplaceAll(string(quoted), "/", `\/`),
		"quoted": strconv.Quote(v), "ASCII": strconv.QuoteToASCII(v), "HTML": html.EscapeString(v),
		"hex": hex.EncodeToString([]byte(v)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(v))),
		"bytes": fmt.Sprintf("%d", []byte(v)), "lower": strings.ToLower(v), "upper": strings.ToUpper(v), "every percent": "", "UTF-16": "",
	}
	for i := range len(v) {
		out["every percent"] += fmt.Sprintf("%%%02X", v[i])
	}
	for _, c := range utf16.Encode([]rune(v)) {
		out["UTF-16"] += fmt.Sprintf(`\u%04x`, c)
	}
	for spelling, text := range out {
		if strings.Contains(text, "%") {
			out[spelling+" in lower case"] = strings.ToLower(text)
		}
	}
	// Whatever stands before it, as user: and what Basic makes of it, it is at
	// one of three places. The digits at both ends are its neighbours' too.
	for before := range 3 {
		all := append(make([]byte, before), v...)
		digits := base64.RawStdEncoding.EncodeToString(all)[(8*before+5)/6 : 8*len(all)/6]
		out[fmt.Sprint("base64 ", before)] = digits
		out[fmt.Sprint("base64 URL ", before)] = strings.NewReplacer("+", "-", "/", "_").Replace(digits)
	}
	return out
}

// credential makes one that nothing else looks like. An odd one holds what
// needs to be escaped somewhere.
func credential(odd bool) string {
	letters := func(n int) string {
		const all = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
		var b strings.Builder
		for range n {
			b.WriteByte(all[rand.IntN(len(all))])
		}
		return b.String()
	}
	if odd {
		v := letters(13)
		for _, c := range `"/\ +&=%<>'é#?@$` {
			v += string(c) + letters(2)
		}
		return v + letters(11)
	}
	return letters(40)
}

// TestNeedles: what is looked for is found.
func TestNeedles(t *testing.T) {
	t.Parallel()
	for _, odd := range []bool{false, true} {
		var n needles
		v := n.add("token", credential(odd))
		n.add("other", credential(odd))
		for _, text := range []string{
			v, v[:12], v[len(v)-12:], "https://u:" + url.PathEscape(v) + "@host", url.QueryEscape(v), `{"t":` + strconv.Quote(v) + "}",
			"Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+v)), base64.URLEncoding.EncodeToString([]byte(v)),
			base64.StdEncoding.EncodeToString([]byte("Basic " + v + " and more")), base64.RawStdEncoding.EncodeToString([]byte(":" + v)),
			hex.EncodeToString([]byte("x" + v)), fmt.Sprintf("%X", v), fmt.Sprintf("%+q", v), fmt.Sprintf("%v", []byte(v)),
		} {
			found, _ := n.in([]byte(strings.Repeat("some text ", 50) + text + " and the rest"))
			require.Equal(t, "token", found.name, text)
		}
		found, _ := n.in([]byte(v[:11] + "***" + v[20:31]))
		require.Empty(t, found.name)
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("nothing here"), 0o600))
		n.absentBelow(t, dir)
		n.absent(t, "", []byte(fmt.Sprint(io.EOF)))
	}
}
