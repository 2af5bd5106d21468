package sitetest

import (
	"io"
	"net/http"
	"strings"
)

// Between stands between the tap and the stand-in, see [Ask.Network]: answer may
// give an answer in the stand-in's place, or ask it by itself; nil passes the
// request on.
func Between(answer func(r *http.Request, to http.RoundTripper) *http.Response) func(http.RoundTripper) http.RoundTripper {
	return func(to http.RoundTripper) http.RoundTripper {
		return RoundTripper(func(r *http.Request) (*http.Response, error) {
			if resp := answer(r, to); resp != nil {
				return resp, nil
			}
			return to.RoundTrip(r)
		})
	}
}

// RoundTripper is a function that is one.
type RoundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls it.
func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Answer makes one; headers are given in pairs.
func Answer(r *http.Request, status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for k := 0; k+1 < len(headers); k += 2 {
		h.Set(headers[k], headers[k+1])
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}
}
