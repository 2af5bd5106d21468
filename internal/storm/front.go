package main

import (
	"context"
	"errors"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// A front is the address of an episode's service. What goes wrong on the way to it,
// and its clock, change from night to night.
type front struct {
	listener net.Listener
	server   *http.Server
	prefix   string // of the stand-in
	bank     *bank  // nil: credentials are not renewed
	night    atomic.Pointer[night]
	calls    atomic.Int64
	clock    atomic.Int64 // how far the vendor's is ahead, in nanoseconds
	lines    atomic.Int64 // connections
}

// A night is the weather of one run, or of two at once.
type night struct {
	seed    uint64
	handler http.Handler
	wires   []wire
	expire  int64         // the request at which access tokens end; 0: none
	step    time.Duration // that the vendor's clock goes ahead, at a request
	stepAt  int64

	requests atomic.Int64
	mu       sync.Mutex
	tellers  []watcher
	asked    map[string]uint64
	hit      map[string]int // faults that happened
}

// A watcher is told of the requests that arrive, and of the waits that the service
// asks for.
type watcher interface {
	asked(request int64)
	waits(d time.Duration)
}

func (n *night) watch(w watcher) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tellers = append(n.tellers, w)
}

func (n *night) watchers() []watcher {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.tellers
}

// A wire is a fault of connections.
type wire struct {
	kind  string // one of wireKinds
	share float64
}

var wireKinds = []string{"refuse", "reset", "close", "stall", "drip"}

func open(handler http.Handler, prefix string) (*front, error) {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &front{listener: listener, prefix: prefix}
	f.night.Store(&night{handler: handler})
	f.server = &http.Server{
		Handler: f, ReadHeaderTimeout: 30 * time.Second,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, lineKey{}, c) },
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				f.lines.Add(1)
			case http.StateClosed, http.StateHijacked:
				f.lines.Add(-1)
			}
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	go func() { _ = f.server.Serve(&listening{listener, f}) }()
	return f, nil
}

func (f *front) close() { _ = f.server.Close() }

// quiet waits until nobody who was killed is connected any more: what he asked may
// still be answered.
func (f *front) quiet() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for calm, tries := 0, 0; calm < 6 && tries < 1000; tries++ {
		if <-tick.C; f.lines.Load() > 0 {
			calm = 0
		} else {
			calm++
		}
	}
}

// skew is how far the vendor's clock is ahead of ours.
func (f *front) skew() time.Duration { return time.Duration(f.clock.Load()) }

func (f *front) origin() string { return "http://" + f.listener.Addr().String() }

type lineKey struct{}

// listening wraps the connections.
type listening struct {
	net.Listener
	front *front
}

// Accept takes a connection, and may drop it at once.
func (l *listening) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	n := l.front.night.Load()
	if w := n.wire("connection"); w == "refuse" {
		hard(c)
	}
	return &line{Conn: c, ended: make(chan struct{})}, nil
}

// hard resets a connection.
func hard(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// chance draws a number for the n-th event of a name: what happens to a request does
// not depend on which other one came first.
func (n *night) chance(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asked == nil {
		n.asked = map[string]uint64{}
	}
	n.asked[name]++
	return drawn(n.seed^h.Sum64(), n.asked[name])
}

// wire draws what happens to a connection or to an answer, "" for nothing.
func (n *night) wire(name string) string {
	if len(n.wires) == 0 {
		return ""
	}
	rng := n.chance(name)
	for _, w := range n.wires {
		if rng.Float64() < w.share && (w.kind == "refuse") == (name == "connection") {
			n.happened(w.kind)
			return w.kind
		}
	}
	return ""
}

func (n *night) happened(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hit == nil {
		n.hit = map[string]int{}
	}
	n.hit[what]++
}

// ServeHTTP answers, or lets the connection fail.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := f.night.Load()
	f.calls.Add(1)
	number := n.requests.Add(1)
	for _, w := range n.watchers() {
		w.asked(number)
	}
	if l, ok := r.Context().Value(lineKey{}).(*line); ok {
		if kind := n.wire(r.URL.Path); kind != "" {
			l.arm(kind, n.after(r.URL.Path))
		} else {
			l.arm("", 0)
		}
	}
	if f.bank != nil && number == n.expire {
		f.bank.expire()
	}
	if number == n.stepAt {
		f.clock.Add(int64(n.step)) // which excuses nothing
	}
	cw := &clockWriter{ResponseWriter: w, night: n, skew: f.skew()}
	if f.bank == nil {
		n.handler.ServeHTTP(cw, r)
		return
	}
	if r.URL.Path == f.bank.path && r.Method == http.MethodPost {
		f.bank.renew(cw, r, n.handler)
		return
	}
	f.bank.pass(r)
	n.handler.ServeHTTP(cw, r)
}

// after draws how much of an answer is sent before it fails.
func (n *night) after(path string) int {
	rng := n.chance(path + " after")
	if rng.IntN(4) == 0 {
		return 0
	}
	return rng.IntN(1 << (4 + rng.IntN(12)))
}

// clockWriter puts the vendor's clock into an answer.
type clockWriter struct {
	http.ResponseWriter
	night *night
	skew  time.Duration
}

// WriteHeader adds the header Date.
func (c *clockWriter) WriteHeader(status int) {
	if c.skew != 0 {
		c.Header().Set("Date", time.Now().Add(c.skew).UTC().Format(http.TimeFormat))
	}
	if text := c.Header().Get("Retry-After"); text != "" {
		var wait time.Duration
		if s, err := strconv.Atoi(text); err == nil {
			wait = time.Duration(s) * time.Second
		} else if at, err := http.ParseTime(text); err == nil {
			wait = time.Until(at)
			c.Header().Set("Retry-After", at.Add(c.skew).UTC().Format(http.TimeFormat)) // by the vendor's clock
		}
		for _, w := range c.night.watchers() {
			w.waits(wait)
		}
	}
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (c *clockWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// A line is one connection, which may fail in the answer that it carries.
type line struct {
	net.Conn
	once  sync.Once
	ended chan struct{}

	mu   sync.Mutex
	kind string
	left int
}

func (l *line) arm(kind string, after int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kind, l.left = kind, after
}

// Close ends a stall too.
func (l *line) Close() error {
	l.once.Do(func() { close(l.ended) })
	return l.Conn.Close()
}

var errWeather = errors.New("the weather")

// stalls is how long a connection hangs at most; whoever waits for it gives up before.
const stalls = 20 * time.Second

// Write sends as much as the weather lets through.
func (l *line) Write(p []byte) (int, error) {
	l.mu.Lock()
	kind, n := l.kind, min(l.left, len(p))
	l.left -= n
	l.mu.Unlock()
	switch {
	case kind == "":
		return l.Conn.Write(p)
	case kind == "drip":
		return l.drip(p)
	case n == len(p):
		return l.Conn.Write(p)
	}
	if n > 0 {
		if _, err := l.Conn.Write(p[:n]); err != nil {
			return 0, err
		}
	}
	switch kind {
	case "reset":
		hard(l.Conn)
	case "stall":
		select {
		case <-l.ended:
		case <-time.After(stalls):
		}
	}
	_ = l.Close()
	return n, errWeather
}

// drip sends in small pieces, for half a second at most.
func (l *line) drip(p []byte) (int, error) {
	size := max(len(p)/10, 1)
	sent := 0
	for sent < len(p) {
		n, err := l.Conn.Write(p[sent:min(sent+size, len(p))])
		sent += n
		if err != nil {
			return sent, err
		}
		<-time.After(40 * time.Millisecond)
	}
	return sent, nil
}

// sharing opens a stand-in once and mounts it again with other faults: what lies
// behind it stays.
type sharing struct {
	service emulator.Service
	plugin  emulator.Plugin
	base    *emulator.Server // the one it was opened in
	source  string
}

func share(p emulator.Plugin, o emulator.Options) (*sharing, error) {
	s := &sharing{source: p.Name}
	first := p
	first.Open = func(env emulator.Env) (emulator.Service, error) {
		var err error
		s.service, err = p.Open(env)
		return s.service, err
	}
	o.Sources = []string{p.Name}
	var err error
	if s.base, err = emulator.New(o, first); err != nil {
		return nil, err
	}
	s.plugin = p
	s.plugin.Open = func(emulator.Env) (emulator.Service, error) { return s.service, nil }
	return s, nil
}

// under mounts it with these faults.
func (s *sharing) under(seed int64, faults, limits string) (*emulator.Server, error) {
	return emulator.New(emulator.Options{Sources: []string{s.source}, Seed: seed, Faults: faults, Limits: limits}, s.plugin)
}
