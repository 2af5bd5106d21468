//go:build unix

package cli_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/config"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// place is a wrong place for credentials, or a right one that is spoilt.
type place struct {
	name string
	args []string
	env  []string
}

// TestSecretsMisplaced puts the credentials of each source where they do not
// belong.
func TestSecretsMisplaced(t *testing.T) {
	t.Parallel()
	tap, err := built()
	require.NoError(t, err)
	for number, src := range all.Sources() {
		t.Run(src.Name, func(t *testing.T) {
			t.Parallel()
			odd := number%2 == 1
			service := newLeaky(t, nil, odd)
			s := newSuspect(t, src, service.URL, odd)
			service.known = s.known
			service.answers(status(http.StatusForbidden))
			places := slices.Concat(s.spoiltFiles(), s.wrongKeys(), s.wrongValues(), s.wrongFiles(), s.otherCommands())
			var begun []*running
			for i, p := range places {
				if !*every && i%6 != number%6 && i < len(places)-1 {
					continue
				}
				ways := said(i)
				args := p.args
				if !slices.Contains([]string{"select", "conform", "streams"}, args[0]) {
					args = slices.Concat(args, ways[i%len(ways)])
				}
				begun = append(begun, s.start(tap, p.env, args...))
				if len(begun) < 8 && i < len(places)-1 {
					continue
				}
				for _, r := range begun {
					code := r.search(2 * time.Second)
					require.NotEqual(t, 70, code, r.stderr.String())
				}
				begun = nil
			}
			s.searchFiles()
			t.Logf("%d places known, no credential found", len(places))
		})
	}
}

// first is one of the credentials, with its key.
func (s *suspect) first() (key, value string) {
	key = secretKeys(s.src)[0]
	return key, s.secret[key]
}

// with is the command with a config of that text.
func (s *suspect) with(name, text string) place {
	s.Helper()
	s.n++
	return place{name: name, args: []string{s.src.Name, "-c", s.file(fmt.Sprintf("p%d.json", s.n), text), "--timeout", "1s"}}
}

// spoiltFiles are configs that cannot be read, with a credential near by.
func (s *suspect) spoiltFiles() (out []place) {
	s.Helper()
	key, v := s.first()
	q, err := json.Marshal(v)
	require.NoError(s, err)
	for _, text := range []string{
		`{"KEY": VALUE, "x": }`, `{"KEY": VALUE`, `{"KEY": VALUE,}`, `{"KEY": BARE}`, `{'KEY': 'BARE'}`, `{"KEY" VALUE}`, `{"KEY": VALUE} BARE`, `KEY=BARE`,
		`["KEY", VALUE]`, `VALUE`, `BARE`, `{"KEY": "\BARE"}`, "{\"KEY\": \"BARE\n\"}", "{\"KEY\": \"\xffBARE\"}", `{"KEY": {"KEY": VALUE}}`, `{"KEY": [VALUE]}`,
		`{VALUE: "KEY"}`, `{VALUE: VALUE, VALUE: VALUE}`, `{"KEY": VALUE, "KEY": VALUE}`, "KEY: BARE\n", `{"KEY": VALUE, "KEY_file": VALUE, "KEY_env": VALUE, "KEY_cmd": VALUE}`,
		`{"KEY_file": VALUE}`, `{"KEY_env": VALUE}`, `{"KEY_cmd": VALUE}`, `{"KEY": "BARE\n"}`, `{"KEY": "\u0000BARE"}`, `{"config": {"KEY": VALUE}}`, `{"source": VALUE, "KEY": VALUE}`, `{"source": VALUE}`,
	} {
		body := strings.NewReplacer("KEY", key, "VALUE", string(q), "BARE", v).Replace(text)
		out = append(out, s.with(text, body))
		without := s.with(text, body)
		without.args = without.args[1:] // the source is to be found in it
		out = append(out, without)
	}
	return out
}

// wrongKeys are credentials under keys that are misspelt or another source's.
func (s *suspect) wrongKeys() (out []place) {
	s.Helper()
	for key, v := range s.secret {
		for _, wrong := range []string{key + "s", key[1:], strings.ToUpper(key), strings.ReplaceAll(key, "_", "-"), key + "_files", "password", v, "x" + v, v[:20], ""} {
			out = append(out, place{wrong, []string{s.src.Name, "-c", s.config(map[string]any{key: nil, wrong: v}), "--timeout", "1s"}, nil})
			out = append(out, place{wrong, []string{s.src.Name, "-c", s.config(map[string]any{wrong: v}), "--timeout", "1s"}, nil})
		}
		for _, name := range []string{"TAP_BACKOFFICE_" + key, "TAP_BACKOFFICE_" + strings.ToUpper(key) + "S", "TAP_" + strings.ToUpper(s.src.Name+"_"+key)} {
			out = append(out, place{name, []string{s.src.Name, "-c", s.config(map[string]any{key: nil}), "-c", "ENV", "--timeout", "1s"}, []string{name + "=" + v}})
		}
	}
	return out
}

// wrongValues are credentials in the place of other settings, and twice.
func (s *suspect) wrongValues() (out []place) {
	s.Helper()
	key, v := s.first()
	other := s.known.add("one that is not known", credential(false))
	for _, set := range config.Settings(s.src) {
		values := []any{v, v + " and more", []string{v}, map[string]string{v: v}}
		if strings.HasSuffix(set.Key, "_url") || set.Key == "redirect_uri" {
			values = append(values, "https://"+v+"@host.example", "https://u:"+v+"@host.example/", "https://host.example/?k="+v, "https://host.example/#"+v, "http://"+v+".example", "ftp://u:"+v+"@h/")
		}
		for _, value := range values {
			if set.Kind == stream.Secret && set.Key != key || set.Key == "client_id" || set.Key == "token_store" { // those are told
				continue
			}
			out = append(out, place{set.Key, []string{s.src.Name, "-c", s.config(map[string]any{set.Key: value}), "--timeout", "1s"}, nil})
		}
		if set.Kind != stream.Secret && set.Key != "account_name" && set.Key != "isv_id" && set.Key != "client_id" { // what is a valid one is part of addresses
			out = append(out, place{set.Key, []string{s.src.Name, "-c", s.config(map[string]any{set.Key: other, key: nil}), "--timeout", "1s"}, nil})
		}
	}
	for _, form := range []string{"_file", "_env", "_cmd"} {
		for _, value := range []any{
			v, "echo '" + v + "' >&2; exit 3", "echo '" + v + "'; echo '" + v + "'", "exit 3 # " + v, "printf '%s\\a' '" + v + "'", "/nowhere/" + v, s.file("two", v+"\n"+v+"\n"), s.dir,
		} {
			out = append(out, place{form, []string{s.src.Name, "-c", s.config(map[string]any{key: nil, key + form: value}), "--timeout", "1s"}, []string{"NAME=" + v}})
		}
	}
	return out
}

// wrongFiles hand files with credentials over as something else.
func (s *suspect) wrongFiles() (out []place) {
	s.Helper()
	key, v := s.first()
	good := s.config(nil)
	text, err := os.ReadFile(good)
	require.NoError(s, err)
	pretty, err := json.MarshalIndent(json.RawMessage(text), "", "  ")
	require.NoError(s, err)
	quoted, err := json.Marshal(v)
	require.NoError(s, err)
	entry, err := json.Marshal(map[string]any{"tokens": []any{map[string]any{"source": s.src.Name, "access_token": v, "refresh_token": v}}})
	require.NoError(s, err)
	files := map[string]string{
		"config": string(text), "pretty": string(pretty), "cut": string(text[:len(text)*2/3]), "store": string(entry), "bare": v, "bare line": v + "\n", "quoted": string(quoted),
		"environment": strings.ToUpper(key) + "=" + v + "\n", "cut store": string(entry[:len(entry)-9]),
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		file := s.file("wrong "+name, files[name])
		for _, args := range [][]string{
			{s.src.Name, "-c", file},
			{s.src.Name, "-c", good, "--catalog", file},
			{s.src.Name, "-c", good, "-p", file},
			{s.src.Name, "-c", good, "--catalog", file, "--discover"},
			{"check", s.src.Name, "-c", file},
			{"auth", s.src.Name, "-c", file},
			{s.src.Name, "-c", s.config(map[string]any{"token_store": file})},
			{s.src.Name, "-c", s.config(map[string]any{"token_store": file + "/" + v})},
		} {
			out = append(out, place{name, append(args, flagsFor(args)...), nil})
		}
		// A state is handed on to whoever reads stdout, as it is: of what is none at
		// all nothing is.
		out = append(out, place{"state " + name, []string{s.src.Name, "-c", good, "-s", file, "--timeout", "1s"}, nil})
		out = append(out, place{"select " + name, []string{"select", "--catalog", file, "*"}, nil})
		if json.Valid([]byte(files[name])) && files[name][0] == '{' { // what can be no message at all is quoted
			out = append(out, place{"conform " + name, []string{"conform", file}, nil})
		}
	}
	out = append(out, place{"inline", []string{s.src.Name, "-c", string(text)}, nil}, place{"inline, pretty", []string{s.src.Name, "-c", string(pretty)}, nil},
		place{"inline, cut", []string{s.src.Name, "-c", " " + string(text[:len(text)-1])}, nil}, place{"a pair", []string{s.src.Name, "-c", key + "=" + v}, nil},
		place{"a flag", []string{s.src.Name, "--" + key + "=" + v}, nil}, place{"a flag and its value", []string{s.src.Name, "--" + key, v}, nil})
	return out
}

func flagsFor(args []string) []string {
	if args[0] == "check" || args[0] == "auth" {
		return nil
	}
	return []string{"--timeout", "1s"}
}

// otherCommands are handed credentials that they do not ask for.
func (s *suspect) otherCommands() (out []place) {
	s.Helper()
	var env []string
	for key, v := range s.secret {
		env = append(env, "TAP_BACKOFFICE_"+strings.ToUpper(key)+"="+v)
	}
	file := s.config(nil)
	for _, args := range [][]string{
		{s.src.Name, "--version"},
		{s.src.Name, "--about"},
		{s.src.Name, "--about", "--format", "json"},
		{s.src.Name, "--about", "--format", "markdown"},
		{s.src.Name, "--about", "--format", "meltano"},
		{s.src.Name, "--help"},
		{s.src.Name, "--test=schema"},
		{s.src.Name, "--discover", "--dev"},
		{s.src.Name, "--progress", "on", "--timeout", "1s"},
		{s.src.Name, "--test", "--timeout", "1s"},
		{s.src.Name, "--lock", "--timeout", "1s"},
	} {
		out = append(out, place{args[1], append(args, "-c", file, "-c", "ENV"), env})
	}
	return append(out, place{"streams", []string{"streams", s.src.Name}, env}, place{"auth", []string{"auth", s.src.Name, "-c", file, "-c", "ENV"}, env})
}

// TestNobodyReadsAlong: what the tap keeps is for its owner alone, in folders
// that are.
func TestNobodyReadsAlong(t *testing.T) {
	t.Parallel()
	tap, err := built()
	require.NoError(t, err)
	i := slices.IndexFunc(all.Sources(), func(s *stream.Source) bool { return s.Name == "exact_online" })
	service := newLeaky(t, nil, false)
	s := newSuspect(t, all.Sources()[i], service.URL, false)
	service.known = s.known
	r := s.start(tap, nil, "-c", s.config(nil), "--lock", "--timeout", "1s")
	r.search(5 * time.Second)
	kept := filepath.Join(r.kept, "tap-backoffice")
	require.FileExists(t, filepath.Join(kept, "tokens.json"))
	for _, name := range append(namesIn(t, kept), ".") {
		info, err := os.Stat(filepath.Join(kept, name))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, name)
	}
}
