package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// secretsOf are the credentials in a config.
func secretsOf(src *stream.Source, values map[string]any) []string {
	var out []string
	for _, s := range src.Settings {
		if text, ok := values[s.Key].(string); ok && s.Kind == stream.Secret {
			out = append(out, text)
		}
	}
	return out
}

// forms are the ways in which a secret may be written.
func forms(secret string) [][]byte {
	list := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret))}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 { // what goes before it shifts its letters
			text := enc.EncodeToString(append(make([]byte, shift), secret...))
			// The first and the last letters hold bits of what is around it.
			from, to := []int{0, 2, 3}[shift], len(text)
			if (shift+len(secret))%3 != 0 {
				to--
			}
			if to-from > 8 {
				list = append(list, text[from:to])
			}
		}
	}
	if quoted, err := json.Marshal(secret); err == nil {
		list = append(list, string(quoted[1:len(quoted)-1]))
	}
	var out [][]byte
	for _, text := range list {
		if len(text) >= 8 && !slices.ContainsFunc(out, func(b []byte) bool { return string(b) == text }) {
			out = append(out, []byte(text))
		}
	}
	return out
}

// leaks finds secrets in texts, which have names.
func leaks(secrets []string, texts map[string][]byte) []finding {
	var out []finding
	for _, s := range secrets {
		for _, form := range forms(s) {
			for name, text := range texts {
				if i := bytes.Index(text, form); i >= 0 {
					out = append(out, finding{secret, fmt.Sprintf("the secret %.6s… stands in %s at byte %d as %.12s…", s, name, i, form)})
				}
			}
		}
	}
	return out
}

// files reads what lies below a folder, without those that hold secrets by right.
func files(dir string, but ...string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || slices.Contains(but, path) {
			return err
		}
		text, err := os.ReadFile(path)
		out[path] = text
		return err
	})
	return out, err
}
