package auth

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// static sends the same header, and the same body member, with every request.
type static struct {
	header     string
	value      secret.Text
	param      string
	paramValue secret.Text
	secrets    []secret.Text
}

// Format keeps package fmt, which sees into unexported fields, from printing
// the credentials.
func (s *static) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "static credentials ***") }

func (s *static) Apply(_ context.Context, req *http.Request) error {
	req.Header.Set(s.header, s.value.Reveal())
	return nil
}

func (s *static) BodyParam() (string, secret.Text) { return s.param, s.paramValue }

func (s *static) Secrets() []secret.Text { return s.secrets }

func newHeader(a stream.HeaderAuth, lookup func(string) secret.Text) (Authenticator, error) {
	v, err := credential(a.Key, lookup)
	if err != nil {
		return nil, err
	}
	prefix := a.Prefix
	if prefix != "" && isWord(prefix[len(prefix)-1]) {
		prefix += " " // a scheme is a word of its own
	}
	return &static{header: a.Header, value: secret.New(prefix + v.Reveal()), secrets: []secret.Text{v}}, nil
}

// newBasic sends user and password in UTF-8 (RFC 7617).
func newBasic(a stream.BasicAuth, lookup func(string) secret.Text) (Authenticator, error) {
	user, err := credential(a.User, lookup)
	if err != nil {
		return nil, err
	}
	if strings.Contains(user.Reveal(), ":") {
		return nil, fault.New(fault.Config, a.User+" holds a colon, which HTTP Basic cannot carry", "check "+a.User)
	}
	password, err := credential(a.Password, lookup)
	if err != nil {
		return nil, err
	}
	pair := base64.StdEncoding.EncodeToString([]byte(user.Reveal() + ":" + password.Reveal()))
	s := &static{
		header: "Authorization", value: secret.New("Basic " + pair),
		secrets: []secret.Text{secret.New(pair), user, password},
	}
	if a.BodyParam != "" {
		v, err := credential(a.BodyKey, lookup)
		if err != nil {
			return nil, err
		}
		s.param, s.paramValue = a.BodyParam, v
		s.secrets = append(s.secrets, v)
	}
	return s, nil
}

// credential reads a config key; its errors never show the value.
func credential(key string, lookup func(string) secret.Text) (secret.Text, error) {
	v := lookup(key)
	if v.Empty() {
		return v, fault.New(fault.Config, key+" is not set", "set "+key+", or "+key+"_file, "+key+"_env, "+key+"_cmd")
	}
	if strings.ContainsFunc(v.Reveal(), unicode.IsControl) {
		return v, fault.New(fault.Config, key+" holds a line break or another control character", "check how "+key+" was copied")
	}
	return v, nil
}

func isWord(b byte) bool {
	return '0' <= b && b <= '9' || 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z'
}
