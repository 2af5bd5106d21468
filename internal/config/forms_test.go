package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/source/all"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// plainValues are what each source needs besides its credentials.
func plainValues(t *testing.T, src *stream.Source) map[string]any {
	t.Helper()
	values := map[string]any{}
	for _, s := range Settings(src) {
		if !s.Required || s.Kind == stream.Secret {
			continue
		}
		values[s.Key] = "acme"
		if s.Kind == stream.Date {
			values[s.Key] = "2024-01-01"
		}
		if s.Check == nil || s.Kind == stream.Date || s.Check("acme") == nil {
			continue
		}
		for _, v := range []string{"3b7f4c1e-9d25-4e86-a1c0-5f2d8e6b7a94", "1000.ABC"} {
			if s.Check(v) == nil {
				values[s.Key] = v
			}
		}
	}
	return values
}

func secretsOf(src *stream.Source) (keys []string) {
	for _, s := range Settings(src) {
		if s.Kind == stream.Secret {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

func checkWith(t *testing.T, src *stream.Source, values map[string]any, env func(string) (string, bool), limit time.Duration) (*Loaded, error) {
	t.Helper()
	text, err := json.Marshal(values)
	require.NoError(t, err)
	raw, err := Read([]string{write(t, string(text))}, env)
	require.NoError(t, err)
	raw.doc.limit = limit
	return raw.Check(src)
}

// TestFormsOfEverySecret hands over each credential of each source in each form:
// what arrives is what was meant, but for one line end.
func TestFormsOfEverySecret(t *testing.T) {
	const value = ` Zq7x "\/+&=%2B <b>'é `
	for _, src := range all.Sources() {
		keys := secretsOf(src)
		require.NotEmpty(t, keys, src.Name)
		for _, end := range []string{"", "\n", "\r\n"} {
			for _, form := range secretForms {
				values := plainValues(t, src)
				vars := map[string]string{}
				want := value
				for _, key := range keys {
					switch form {
					case "":
						values[key] = value + key
					case "_file":
						values[key+form] = write(t, value+key+end)
					case "_env":
						values[key+form] = "IN_" + key
						vars["IN_"+key] = value + key
					case "_cmd":
						values[key+form] = "cat '" + write(t, value+key+end) + "'; echo Zq7x >&2"
					}
				}
				l, err := checkWith(t, src, values, func(k string) (string, bool) { v, ok := vars[k]; return v, ok }, time.Minute)
				require.NoError(t, err, "%s: %s", src.Name, form)
				require.Empty(t, l.Warnings)
				require.Len(t, l.Secrets(), len(keys))
				for _, key := range keys {
					require.Equal(t, want+key, l.Secret(key).Reveal(), "%s: %s%s", src.Name, key, form)
				}
			}
		}
		// Another line end is no part of any, and is told.
		values := plainValues(t, src)
		for _, key := range keys {
			values[key+"_file"] = write(t, "Zq7x\n\n")
		}
		_, err := checkWith(t, src, values, nil, time.Minute)
		for _, key := range keys {
			require.ErrorContains(t, err, key+"_file: expected text without line breaks and control characters, found text of 5 characters")
		}
		require.NotContains(t, err.Error(), mark)
	}
}

// TestBadFormsOfEverySecret hands each credential of each source over in a form
// that gives none: all of them are told at once, and nothing of what was found.
func TestBadFormsOfEverySecret(t *testing.T) {
	folder := t.TempDir()
	for form, cases := range map[string]map[string]string{
		"_file": {
			"/nowhere/Zq7x": "expected a file that can be read, found no such file or directory", folder: "expected a file that can be read, found is a directory",
			write(t, "\n"): "expected a file that can be read, found an empty one", write(t, ""): "expected a file that can be read, found an empty one",
			write(t, strings.Repeat("Zq7x", 1<<18)+"y"): "expected a file that can be read, found more than 1 MB",
		},
		"_env": {
			"Zq7x": "expected the name of a variable, found one that is not set", "EMPTY": "expected the name of a variable, found an empty one",
			"BLANK": "expected the name of a variable, found an empty one",
		},
		"_cmd": {
			"echo Zq7x; echo Zq7x >&2; exit 3": "expected a command that prints the secret, found exit status 3",
			"true":                             "expected a command that prints the secret, found an empty one", "echo": "expected a command that prints the secret, found an empty one",
			"echo Zq7x >&2": "expected a command that prints the secret, found an empty one", "cat": "expected a command that prints the secret, found an empty one",
			"Zq7x-is-no-command": "expected a command that prints the secret, found exit status 127", "echo Zq7x; kill -9 $$": "expected a command that prints the secret, found signal: killed",
			"yes Zq7x":   "expected a command that prints the secret, found one that prints more than 1 MB",
			"echo 'Zq7x": "expected a command that prints the secret, found exit status 2",
		},
	} {
		for given, want := range cases {
			for _, src := range all.Sources() {
				values := plainValues(t, src)
				keys := secretsOf(src)
				for _, key := range keys {
					values[key+form] = given
				}
				l, err := checkWith(t, src, values, environment("EMPTY", "", "BLANK", " \t"), time.Minute)
				require.Nil(t, l)
				require.Equal(t, fault.Config, fault.KindOf(err))
				for _, key := range keys {
					require.ErrorContains(t, err, key+form+": "+want, "%s: %s", src.Name, given)
				}
				if len(keys) > 1 {
					require.ErrorContains(t, err, fmt.Sprintf("%d faults", len(keys)))
				}
				require.NotContains(t, err.Error(), mark)
			}
		}
	}
}

// TestCommandThatHangs: however it hangs, it is waited for only so long, and so
// is what it started.
func TestCommandThatHangs(t *testing.T) {
	for n, src := range all.Sources() {
		for i, command := range []string{"sleep 4", "echo Zq7x; sleep 4", "trap '' TERM INT HUP; sleep 4 & wait", "sleep 4 & echo Zq7x; wait"} {
			if n > 0 && i > 0 {
				break // the first will do
			}
			t.Run(src.Name, func(t *testing.T) {
				t.Parallel()
				values := plainValues(t, src)
				keys := secretsOf(src)
				for _, key := range keys {
					values[key] = "Zq7x"
				}
				delete(values, keys[0])
				values[keys[0]+"_cmd"] = command
				began := time.Now()
				_, err := checkWith(t, src, values, nil, 20*time.Millisecond)
				require.ErrorContains(t, err, keys[0]+"_cmd: expected a command that prints the secret, found one that takes longer than 20ms")
				require.NotContains(t, err.Error(), mark)
				require.Less(t, time.Since(began), 3*time.Second)
			})
		}
	}
}

// TestSecretsAreKnownFirst: a credential is told of before a check sees it, so
// that no defect of one can show it.
func TestSecretsAreKnownFirst(t *testing.T) {
	src := source()
	var known []string
	for i := range src.Settings {
		if s := &src.Settings[i]; s.Kind == stream.Secret {
			s.Check = func(text string) error {
				require.Contains(t, known, text)
				return errors.New("another one")
			}
		}
	}
	raw, err := Read([]string{write(t, `{`+good+`,"other_key":"Zq7xother"}`)}, nil)
	require.NoError(t, err)
	raw.Known(func(all ...secret.Text) {
		for _, s := range all {
			known = append(known, s.Reveal())
		}
	})
	_, err = raw.Check(src)
	require.ErrorContains(t, err, "another one")
	require.Equal(t, []string{"Zq7xsecret", "Zq7xother"}, known)
}

// TestOpenFiles: whoever else may read a file with credentials is warned of, be
// it the config or a file that it names, once a file.
func TestOpenFiles(t *testing.T) {
	require.NotEqual(t, "windows", runtime.GOOS)
	shut, open, group := write(t, "Zq7x1"), write(t, "Zq7x2"), write(t, "Zq7x3")
	require.NoError(t, os.Chmod(open, 0o604))
	require.NoError(t, os.Chmod(group, 0o640))
	for _, src := range all.Sources() {
		for path, want := range map[string]bool{shut: false, open: true, group: true} {
			values := plainValues(t, src)
			for _, key := range secretsOf(src) {
				values[key+"_file"] = path
			}
			l, err := checkWith(t, src, values, nil, time.Second)
			require.NoError(t, err)
			if !want {
				require.Empty(t, l.Warnings)
				continue
			}
			require.Equal(t, []string{path + " holds a secret and others than its owner may read it: chmod 600"}, l.Warnings)

			plain := plainValues(t, src)
			for _, key := range secretsOf(src) {
				plain[key] = "Zq7x"
			}
			text, err := json.Marshal(plain)
			require.NoError(t, err)
			config := write(t, string(text))
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NoError(t, os.Chmod(config, info.Mode()))
			raw, err := Read([]string{config}, nil)
			require.NoError(t, err)
			l, err = raw.Check(src)
			require.NoError(t, err)
			require.Equal(t, []string{config + " holds secrets and others than its owner may read it: chmod 600"}, l.Warnings)
		}
	}
	// What a container's runner mounts is as the runner wants it.
	mounted := filepath.Join(t.TempDir(), "run", "secrets", "token")
	require.NoError(t, os.MkdirAll(filepath.Dir(mounted), 0o755))
	require.NoError(t, os.WriteFile(mounted, []byte("Zq7x"), 0o444))
	values := maps.Clone(plainValues(t, all.Sources()[0]))
	values["token_file"] = mounted
	l, err := checkWith(t, all.Sources()[0], values, nil, time.Second)
	require.NoError(t, err)
	require.Empty(t, l.Warnings)
}
