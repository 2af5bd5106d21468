package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, data, 0o600))
}

func mkdir(path string) error { return os.MkdirAll(path, 0o700) }

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	return info.Mode()
}

// TestOthersSurvive rewrites a file that holds what we do not know.
func TestOthersSurvive(t *testing.T) {
	r := newRig(t)
	write(t, r.opt.Store, []byte(`{"later":{"n":1.50},"tokens":[
		{"source":"zoho_crm","token_url":"u","client_id":"app","access_token":"z","huge":12345678901234567890},
		"of a later version",
		{"source":"exact_online","token_url":"https://start.exactonline.nl/api/oauth2/token","client_id":"app",
		 "refresh_token":"refresh-token-0","config_token_sha256":"","note":"kept?","kept":{"a":"b"}}
	]}`))
	r.config["refresh_token"] = ""
	got, err := apply(t.Context(), r.start(t))
	require.NoError(t, err)
	require.Equal(t, "access-token-1", got)
	data, err := os.ReadFile(r.opt.Store)
	require.NoError(t, err)
	var file struct {
		Later  json.RawMessage   `json:"later"`
		Tokens []json.RawMessage `json:"tokens"`
	}
	require.NoError(t, json.Unmarshal(data, &file))
	require.JSONEq(t, `{"n":1.50}`, string(file.Later))
	require.Contains(t, string(data), "1.50")
	require.Contains(t, string(data), "12345678901234567890")
	require.Len(t, file.Tokens, 3)
	var own map[string]any
	require.NoError(t, json.Unmarshal(file.Tokens[2], &own))
	require.Equal(t, "kept?", own["note"])
	require.Equal(t, "refresh-token-1", own["refresh_token"])
	require.NotContains(t, own, "kept", "of the answer before")
	require.Equal(t, fs.FileMode(0o600), mode(t, r.opt.Store))
	require.NoFileExists(t, r.opt.Store+".new")
}

// TestBroken are files that are no store: told, and left alone.
func TestBroken(t *testing.T) {
	mine := `{"tokens":[{"source":"exact_online","token_url":"https://start.exactonline.nl/api/oauth2/token","client_id":"app","access_token":7}]}`
	for name, content := range map[string]string{
		"empty": "", "blank": " \n", "half": `{"tokens":[{"access_token":"t0p-s3cret`, "array": `["t0p-s3cret"]`, "null": "null",
		"tokens": `{"tokens":{"access_token":"t0p-s3cret"}}`, "entry": mine, "text": "t0p-s3cret",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			write(t, r.opt.Store, []byte(content))
			_, err := NewOAuth(r.opt)
			require.Equal(t, fault.Config, fault.KindOf(err), "%v", err)
			require.ErrorContains(t, err, r.opt.Store)
			require.NotContains(t, err.Error(), "t0p")
			require.NotEmpty(t, fault.As(err).Hint)

			// Broken while the run is on.
			require.NoError(t, os.Remove(r.opt.Store))
			o := r.start(t)
			write(t, r.opt.Store, []byte(content))
			_, err = apply(t.Context(), o)
			require.Equal(t, fault.Config, fault.KindOf(err), "%v", err)
			require.Equal(t, fault.Config, fault.KindOf(o.SignIn(t.Context(), "c!ode", "https://here")))
			data, err := os.ReadFile(r.opt.Store)
			require.NoError(t, err)
			require.Equal(t, content, string(data))
			require.Zero(t, r.requests())
		})
	}
}

// TestNoPlace is all that keeps tokens from being stored: it is found before
// the vendor is asked.
func TestNoPlace(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(t *testing.T, r *rig)
		start bool // found at the start
	}{
		{"no folder", func(_ *testing.T, r *rig) { r.opt.Store = filepath.Join(filepath.Dir(r.opt.Store), "none", "t.json") }, true},
		{"a folder", func(t *testing.T, r *rig) { require.NoError(t, mkdir(r.opt.Store)) }, true},
		{"no lock", func(t *testing.T, r *rig) { require.NoError(t, mkdir(r.opt.Store+".lock/x")) }, false},
		{"no new file", func(t *testing.T, r *rig) { require.NoError(t, mkdir(r.opt.Store+".new/x")) }, false},
		{"links in a circle", func(t *testing.T, r *rig) { require.NoError(t, os.Symlink(r.opt.Store, r.opt.Store)) }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			tc.spoil(t, r)
			o, err := NewOAuth(r.opt)
			if !tc.start {
				require.NoError(t, err)
				_, err = apply(t.Context(), o)
			}
			require.Equal(t, fault.Config, fault.KindOf(err), "%v", err)
			require.NotEmpty(t, fault.As(err).Hint)
			require.Zero(t, r.requests(), "the grant is untouched")
		})
	}
}

// TestNoPlaceAfterAll: what the vendor has granted cannot be put into its place.
// It is told, not used, and not lost: it waits in the new file.
func TestNoPlaceAfterAll(t *testing.T) {
	r := newRig(t)
	r.committed = func() { require.NoError(t, mkdir(filepath.Join(r.opt.Store, "x"))) }
	o := r.start(t)
	for range 2 {
		_, err := apply(t.Context(), o)
		require.Equal(t, fault.Config, fault.KindOf(err))
		require.ErrorContains(t, err, "the new tokens could not be put into their place: "+r.opt.Store+": ")
		require.Contains(t, fault.As(err).Hint, "they are in "+r.opt.Store+".new, keep it")
		require.True(t, fault.As(err).Whole)
		require.NotContains(t, fmt.Sprint(err, fault.As(err).Hint), "-token-1")
		require.Equal(t, 1, r.requests(), "the vendor is not asked again")
	}
	require.Equal(t, fs.FileMode(0o600), mode(t, r.opt.Store+".new"))
	// It stays for as long as the place is taken.
	_, err := NewOAuth(r.opt)
	require.Equal(t, fault.Config, fault.KindOf(err))
	require.FileExists(t, r.opt.Store+".new")

	require.NoError(t, os.RemoveAll(r.opt.Store))
	got, err := apply(t.Context(), r.start(t))
	require.NoError(t, err)
	require.Equal(t, "access-token-1", got)
	require.Equal(t, 1, r.requests())
	require.NoFileExists(t, r.opt.Store+".new")
}

// TestLostAtLast is a disk that does not even take what it has promised room for.
func TestLostAtLast(t *testing.T) {
	r := newRig(t)
	write(t, r.opt.Store, []byte(`{"tokens":[]}`))
	o := r.start(t)
	c, err := o.store.begin(t.Context())
	require.NoError(t, err)
	_, err = c.document()
	require.NoError(t, err)
	require.NoError(t, c.prepare())
	require.NoError(t, c.next.Close())
	err = c.commit([]byte("{}"))
	require.Equal(t, fault.Config, fault.KindOf(err))
	require.ErrorContains(t, err, "the new tokens could not be stored, and the old ones are used up: "+r.opt.Store+".new: ")
	require.Contains(t, fault.As(err).Hint, "then sign in: tap-backoffice auth exact_online")
	c.end()
	require.NoFileExists(t, r.opt.Store+".new")
	data, err := os.ReadFile(r.opt.Store)
	require.NoError(t, err)
	require.Equal(t, `{"tokens":[]}`, string(data))
}

func TestLinks(t *testing.T) {
	for name, there := range map[string]bool{"to a file": true, "to nothing yet": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			dir := filepath.Dir(r.opt.Store)
			target := filepath.Join(dir, "real", "kept.json")
			require.NoError(t, mkdir(filepath.Dir(target)))
			if there {
				write(t, target, []byte(`{}`))
			}
			require.NoError(t, os.Symlink("real/kept.json", r.opt.Store))
			_, err := apply(t.Context(), r.start(t))
			require.NoError(t, err)
			require.NotZero(t, mode(t, r.opt.Store)&fs.ModeSymlink, "the link stays")
			require.True(t, mode(t, target).IsRegular())
			require.Equal(t, "refresh-token-1", r.stored(t).Refresh)
			require.FileExists(t, target+".lock", "all links share a lock")
		})
	}
}

func TestLoose(t *testing.T) {
	r := newRig(t)
	var log bytes.Buffer
	r.opt.Log = slog.New(slog.NewTextHandler(&log, nil))
	write(t, r.opt.Store, []byte(`{}`))
	require.NoError(t, os.Chmod(r.opt.Store, 0o644))
	_, err := apply(t.Context(), r.start(t))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
	require.Contains(t, log.String(), "chmod 600")
	require.Equal(t, fs.FileMode(0o600), mode(t, r.opt.Store))
}

// TestLostStore is a file that goes away while the run is on: the run has the
// newest token, the config a burnt one.
func TestLostStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		o := r.start(t)
		_, err := apply(t.Context(), o)
		require.NoError(t, err)
		require.NoError(t, os.Remove(r.opt.Store))
		time.Sleep(time.Hour)
		_, err = apply(t.Context(), o)
		require.NoError(t, err)
		require.Empty(t, r.refusals)
		require.Equal(t, "refresh-token-2", r.stored(t).Refresh)

		// Another sign-in in its place is left alone.
		other := []byte(`{"tokens":[{"source":"exact_online","token_url":"https://start.exactonline.nl/api/oauth2/token",
			"client_id":"app","access_token":"x","refresh_token":"other","config_token_sha256":"of another"}]}`)
		write(t, r.opt.Store, other)
		time.Sleep(time.Hour)
		_, err = apply(t.Context(), o)
		require.Equal(t, fault.Auth, fault.KindOf(err))
		require.Contains(t, fault.As(err).Hint, "a token_store each")
		require.Equal(t, 2, r.requests())
		data, err := os.ReadFile(r.opt.Store)
		require.NoError(t, err)
		require.Equal(t, string(other), string(data))
	})
}

// TestLeftBehind is what a crash leaves beside the file.
func TestLeftBehind(t *testing.T) {
	for _, tc := range []struct {
		name, left string
		token      string
	}{
		{"blanks", strings.Repeat(" ", 100), "refresh-token-0"},
		{"half of an answer", `{"tokens":[{"sour` + strings.Repeat(" ", 100), "refresh-token-0"},
		{"an answer", "", "refresh-token-7"},
		{"an answer before its blanks", strings.Repeat(" ", 100), "refresh-token-7"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			content := tc.left
			if strings.HasPrefix(tc.name, "an answer") {
				content = fmt.Sprintf(`{"tokens":[{"source":"exact_online","token_url":"https://start.exactonline.nl/api/oauth2/token",
					"client_id":"app","refresh_token":"refresh-token-7","config_token_sha256":%q}]}`,
					hashOf(r.opt.Lookup("refresh_token"))) + tc.left
			}
			write(t, r.opt.Store+".new", []byte(content))
			r.good = tc.token
			_, err := apply(t.Context(), r.start(t))
			require.NoError(t, err)
			require.Empty(t, r.refusals)
			require.NoFileExists(t, r.opt.Store+".new")
		})
	}
}

// TestLockIsWaitedFor has another process hold the lock for a while.
func TestLockIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var log bytes.Buffer
		r.opt.Log = slog.New(slog.NewTextHandler(&log, nil))
		other := flock.New(r.opt.Store + ".lock")
		require.NoError(t, other.Lock())
		o := r.start(t)
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		_, err := apply(ctx, o)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, log.String())
		time.AfterFunc(7*time.Second, func() { _ = other.Unlock() })
		_, err = apply(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(log.String(), "waiting for another process"), log.String())
	})
}

func TestMissing(t *testing.T) {
	for _, tc := range []struct {
		key  string
		says string
		hint string
	}{
		{"refresh_token", "refresh_token is not set", "tap-backoffice auth exact_online --config FILE"},
		{"client_id", "client_id is not set", "client_id"},
		{"client_secret", "client_secret is not set", "client_secret"},
	} {
		r := newRig(t)
		delete(r.config, tc.key)
		_, err := NewOAuth(r.opt)
		require.Equal(t, fault.Config, fault.KindOf(err))
		require.ErrorContains(t, err, tc.says)
		require.Contains(t, fault.As(err).Hint, tc.hint)
	}
}

func TestSignIn(t *testing.T) {
	for name, config := range map[string]string{"without a token": "", "with a dead one": "dead"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.config["refresh_token"] = config
			r.opt.SignIn = true
			o := r.start(t)
			err := o.SignIn(t.Context(), "wrong", "https://here")
			require.Equal(t, fault.Auth, fault.KindOf(err))
			require.Contains(t, fault.As(err).Hint, "redirect_uri")
			require.NoError(t, o.SignIn(t.Context(), "c!ode", "https://here"))
			require.Equal(t, "https://here", r.forms[1].Get("redirect_uri"))

			r.opt.SignIn = false
			got, err := apply(t.Context(), r.start(t))
			require.NoError(t, err)
			require.Equal(t, "access-token-1", got)
			require.Equal(t, 2, r.requests())
		})
	}
	r := newRig(t)
	require.Equal(t, "https://start.exactonline.nl/api/oauth2/auth?client_id=app&redirect_uri=https%3A%2F%2Fhere%3Fa%3Db&response_type=code&state=s",
		r.start(t).AuthorizeURL("https://here?a=b", "s"))
}

// TestNothingShows prints every struct that holds tokens.
func TestNothingShows(t *testing.T) {
	r := newRig(t)
	o := r.start(t)
	_, err := apply(t.Context(), o)
	require.NoError(t, err)
	d, _, err := o.store.read()
	require.NoError(t, err)
	a, err := o.granted(decode([]byte(`{"access_token":"access-token-9","refresh_token":"refresh-token-9"}`)))
	require.NoError(t, err)
	for _, v := range []any{o, d, o.now, r.stored(t), o.store, *o.store, a, *a, o.opt} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			for _, s := range []string{"access-token", "refresh-token", clientSecret} {
				require.NotContains(t, fmt.Sprintf(verb, v), s, "%T", v)
			}
		}
	}
	var known []string
	for _, s := range o.Secrets() {
		known = append(known, s.Reveal())
	}
	require.ElementsMatch(t, []string{"access-token-1", "refresh-token-1", clientSecret, "refresh-token-0"}, known)
}
