package cli_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// A relayed service is asked through this process, which lets things happen just
// before a request is answered.
type relayed struct {
	proxy *httputil.ReverseProxy

	mu     sync.Mutex
	events []*event
	failed error
}

// An event happens once, at the n-th request whose method, path and query match.
type event struct {
	n      int
	match  *regexp.Regexp
	change []string    // arguments of change
	status int         // of an answer in place of the service's, 0 for the service's own
	header http.Header // of that answer
}

// relays are those of the scripts, by their folders.
var relays sync.Map

// relay puts itself before the service that a config names.
func relay(ts *testscript.TestScript, args []string) error {
	config, err := readConfig(ts, args[0])
	if err != nil {
		return err
	}
	to, err := url.Parse(fmt.Sprint(config["api_url"]))
	if err != nil {
		return err
	}
	r := &relayed{proxy: &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL.Scheme, p.Out.URL.Host = to.Scheme, to.Host // and the Host stays: links lead here
	}}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.serve(ts, w, req) }))
	ts.Defer(server.Close)
	relays.Store(ts.Getenv("WORK"), r)
	config["api_url"] = server.URL + to.Path
	return writeJSON(ts.MkAbs(args[0]), config)
}

// when tells what happens at a request.
func when(ts *testscript.TestScript, args []string) error {
	r, ok := relays.Load(ts.Getenv("WORK"))
	if !ok || len(args) < 4 {
		return errors.New("when N PATTERN change|answer ARG… stands behind relay")
	}
	e := &event{header: http.Header{}}
	var err error
	if e.n, err = strconv.Atoi(args[0]); err != nil {
		return err
	}
	if e.match, err = regexp.Compile(args[1]); err != nil {
		return err
	}
	switch args[2] {
	case "change":
		e.change = args[3:]
	case "answer":
		if e.status, err = strconv.Atoi(args[3]); err != nil {
			return err
		}
		for _, line := range args[4:] {
			name, value, _ := strings.Cut(line, ": ")
			e.header.Set(name, value)
		}
	default:
		return fmt.Errorf("%q is neither change nor answer", args[2])
	}
	r.(*relayed).add(e)
	return nil
}

// happened tells what should have happened while a program ran, and did not.
func happened(ts *testscript.TestScript) error {
	v, ok := relays.Load(ts.Getenv("WORK"))
	if !ok {
		return nil
	}
	r := v.(*relayed)
	r.mu.Lock()
	defer r.mu.Unlock()
	failed := r.failed
	for _, e := range r.events {
		failed = errors.Join(failed, fmt.Errorf("no request matched %s %d times more", e.match, e.n))
	}
	return failed
}

func (r *relayed) add(e *event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *relayed) serve(ts *testscript.TestScript, w http.ResponseWriter, req *http.Request) {
	if e := r.due(ts, req.Method+" "+req.URL.RequestURI()); e != nil && e.status != 0 {
		maps.Copy(w.Header(), e.header)
		w.WriteHeader(e.status)
		return
	}
	r.proxy.ServeHTTP(w, req)
}

// due lets what is due happen, one event a request.
func (r *relayed) due(ts *testscript.TestScript, request string) *event {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, e := range r.events {
		if !e.match.MatchString(request) {
			continue
		}
		if e.n--; e.n > 0 {
			continue
		}
		r.events = append(r.events[:i:i], r.events[i+1:]...)
		if e.change != nil {
			r.failed = errors.Join(r.failed, change(ts, e.change))
		}
		return e
	}
	return nil
}
