package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// Log lines go to stderr only, in one of three forms: text for people, singer
// for runners that parse "LEVEL message" (no time in front, or its METRIC lines
// are not found), json with the members that Meltano needs to recognise a line.
const (
	formatText   = "text"
	formatJSON   = "json"
	formatSinger = "singer"
)

// levelCritical is the last line before a non-zero exit.
const levelCritical = slog.Level(12)

// handler is a slog.Handler for the three forms. What it does is set once the
// flags are known, while a signal may be about to be told of.
type handler struct {
	form  *atomic.Pointer[logForm]
	mask  func(string) string // takes credentials out, before a form spells them anew
	attrs []slog.Attr
}

// logForm is where and how lines are written.
type logForm struct {
	w      io.Writer
	format string
	level  slog.Level
}

func newLog(e *stderr) *slog.Logger {
	h := &handler{form: &atomic.Pointer[logForm]{}, mask: e.masked}
	h.form.Store(&logForm{e, formatText, slog.LevelInfo})
	return slog.New(h)
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.form.Load().level }

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Concat(h.attrs, attrs)
	return &c
}

// WithGroup implements slog.Handler. Our keys are few and flat.
func (h *handler) WithGroup(string) slog.Handler { return h }

// Handle implements slog.Handler. A line is one write, so lines do not mix.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	form := h.form.Load()
	attrs := slices.Clone(h.attrs)
	r.Attrs(func(a slog.Attr) bool { attrs = append(attrs, a); return true })
	r.Message = h.mask(r.Message)
	for i, a := range attrs {
		if v := a.Value.Resolve(); v.Kind() == slog.KindString || v.Kind() == slog.KindAny {
			attrs[i].Value = slog.StringValue(h.mask(v.String()))
		}
	}
	var b bytes.Buffer
	switch form.format {
	case formatJSON:
		jsonLine(&b, r, attrs)
	case formatSinger:
		fmt.Fprintf(&b, "%s %s", singerLevel(r.Level), oneLine(r.Message))
		textAttrs(&b, attrs)
	default:
		fmt.Fprintf(&b, "%s %-5s %s", r.Time.Format(time.TimeOnly), textLevel(r.Level), oneLine(r.Message))
		textAttrs(&b, attrs)
	}
	b.WriteByte('\n')
	_, err := form.w.Write(b.Bytes())
	return err
}

// maxLogged bounds a message, and a value: names and texts of a vendor may be long.
const maxLogged = 4 << 10

// oneLine makes one short line without what a terminal would carry out.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '\uFFFD'
	}, strings.ReplaceAll(fault.Clip(s, maxLogged), "\n", " | "))
}

func textAttrs(b *bytes.Buffer, attrs []slog.Attr) {
	for _, a := range attrs {
		v := oneLine(a.Value.Resolve().String())
		if strings.ContainsAny(v, " \"=") || v == "" {
			v = strconv.Quote(v)
		}
		fmt.Fprintf(b, " %s=%s", a.Key, v)
	}
}

// jsonLine writes the members of Meltano's structured log schema; ours are in extra.
func jsonLine(b *bytes.Buffer, r slog.Record, attrs []slog.Attr) {
	stream := ""
	extra := map[string]any{}
	for _, a := range attrs {
		v := a.Value.Resolve()
		if a.Key == "stream" {
			stream = v.String()
		}
		switch v.Kind() {
		case slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindBool:
			extra[a.Key] = v.Any()
		default:
			extra[a.Key] = fault.Clip(v.String(), maxLogged)
		}
	}
	line, err := json.Marshal(struct {
		Level   string         `json:"level"`
		PID     int            `json:"pid"`
		Logger  string         `json:"logger_name"`
		TS      float64        `json:"ts"`
		Thread  string         `json:"thread_name"`
		App     string         `json:"app_name"`
		Stream  string         `json:"stream_name"`
		Message string         `json:"message"`
		Extra   map[string]any `json:"extra,omitempty"`
	}{strings.ToLower(singerLevel(r.Level)), os.Getpid(), "tap-backoffice", float64(r.Time.UnixMicro()) / 1e6, "main", "tap-backoffice", stream, fault.Clip(r.Message, maxLogged), extra})
	if err == nil {
		b.Write(line)
	}
}

func singerLevel(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	case l < levelCritical:
		return "ERROR"
	}
	return "CRITICAL"
}

func textLevel(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}

// setLog applies --log-format and --log-level to all that is logged from now on.
func (a *app) setLog(w io.Writer) error {
	var level slog.Level
	switch strings.ToLower(a.flags.logLevel) {
	case "debug":
		level = slog.LevelDebug
	case "", "info":
		level = slog.LevelInfo
	case "warn", "warning":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	default:
		return notOneOf("--log-level", a.flags.logLevel, "debug, info, warn or error")
	}
	switch a.flags.logFormat {
	case formatText, formatJSON, formatSinger:
	default:
		return notOneOf("--log-format", a.flags.logFormat, "text, json or singer")
	}
	if h, ok := a.log.Handler().(*handler); ok {
		h.form.Store(&logForm{w, a.flags.logFormat, level})
	}
	return nil
}
