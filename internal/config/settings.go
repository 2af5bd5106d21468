package config

import (
	"errors"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// The keys of the common settings.
const (
	keySource       = "source"
	keyStart        = "start_date"
	keyEnd          = "end_date"
	keyUserAgent    = "user_agent"
	keyAPIURL       = "api_url"
	keyTimeout      = "request_timeout"
	keyMaxRetries   = "max_retries"
	keyPace         = "requests_per_second"
	keyWindow       = "date_window_size"
	keyLookback     = "lookback"
	keyTokenStore   = "token_store"
	keySelectFields = "select_fields_by_default"
	keyMaxResponse  = "max_response_mb"
	keyExitZero     = "exit_zero_on_partial"
)

// Common returns the settings that every source has, with the defaults of src;
// nil stands for no source.
func Common(src *stream.Source) []stream.Setting {
	timeout, lookback, window := "300", "0s", ""
	if src != nil && src.Timeout > 0 {
		timeout = strconv.FormatFloat(src.Timeout.Seconds(), 'f', -1, 64)
	}
	if src != nil && src.Lookback > 0 {
		lookback = src.Lookback.String()
	}
	if src != nil && slices.ContainsFunc(src.Streams, func(s stream.Stream) bool { return s.Cursor != nil && s.Cursor.Lookback > 0 }) {
		lookback = "" // streams have their own
	}
	if src != nil && src.Window > 0 {
		window = strconv.Itoa(src.Window)
	}
	return []stream.Setting{
		{Key: keySource, Doc: "Which system to read, unless the command line tells."},
		{Key: keyStart, Kind: stream.Date, Doc: "Lower bound of every incremental stream: RFC 3339, YYYY-MM-DD or MM/DD/YYYY."},
		{Key: keyEnd, Kind: stream.Date, Doc: "Upper bound of reads and bookmarks; a date includes that whole day."},
		{Key: keyUserAgent, Default: "tap-backoffice/" + Version(), Doc: "User-Agent of every request; name a contact in it."},
		{Key: keyAPIURL, Doc: "Base URL that replaces the vendor's scheme and host; may hold a path."},
		{Key: keyTimeout, Kind: stream.Duration, Default: timeout, Check: aTimeout, Doc: "Seconds that one request may take."},
		{Key: keyMaxRetries, Kind: stream.Integer, Default: "5", Check: between(0, 20), Doc: "Tries after the first one."},
		{Key: keyPace, Kind: stream.Decimal, Check: aPace, Doc: "Replaces the source's default pace, never a limit of the vendor's."},
		{Key: keyWindow, Kind: stream.Integer, Default: window, Check: between(1, 3650), Doc: "Days that one window of an incremental read covers."},
		{Key: keyLookback, Kind: stream.Duration, Default: lookback, Doc: "Subtracted from the bookmark when reading: seconds, or a duration such as 24h."},
		{Key: keyTokenStore, Doc: "Path of the file that keeps rotated tokens; by default in the user's state directory."},
		{Key: keySelectFields, Kind: stream.Boolean, Default: "true", Doc: "False reads only key and cursor fields and those selected one by one."},
		{Key: keyMaxResponse, Kind: stream.Integer, Default: "64", Check: between(1, 2048), Doc: "MB that one response may hold."},
		{Key: keyExitZero, Kind: stream.Boolean, Default: "false", Doc: "Exit 0 although a selected stream may not be read."},
	}
}

// Settings returns the settings of a source, its own first. One of its own
// that has the key of a common one replaces it; what it leaves open it has
// from there.
func Settings(src *stream.Source) []stream.Setting {
	common := Common(src)
	if src == nil {
		return complete(common)
	}
	var all []stream.Setting
	own := map[string]bool{}
	for _, s := range src.Settings {
		own[s.Key] = true
		for _, c := range common {
			if c.Key == s.Key {
				s = inherit(s, c)
			}
		}
		all = append(all, s)
	}
	for _, c := range common {
		if !own[c.Key] {
			all = append(all, c)
		}
	}
	return complete(all)
}

// inherit fills what s leaves open from c.
func inherit(s, c stream.Setting) stream.Setting {
	if s.Kind == stream.Text {
		s.Kind = c.Kind
	}
	if s.Default == "" {
		s.Default = c.Default
	}
	if s.Doc == "" {
		s.Doc = c.Doc
	}
	if s.Check == nil {
		s.Check = c.Check
	}
	return s
}

func isAddress(s stream.Setting) bool {
	return s.Kind == stream.Text && strings.HasSuffix(s.Key, "_url")
}

// complete gives every address its check.
func complete(all []stream.Setting) []stream.Setting {
	for i, s := range all {
		if !isAddress(s) {
			continue
		}
		all[i].Check = func(text string) error {
			if err := anAddress(text); err != nil || s.Check == nil {
				return err
			}
			return s.Check(text)
		}
	}
	return all
}

// Version is the version of this program, "dev" in a build without one.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return strings.TrimPrefix(info.Main.Version, "v")
}

func between(low, high int) func(string) error {
	return func(text string) error {
		if n, err := strconv.Atoi(text); err != nil || n < low || n > high {
			return errors.New("a whole number from " + strconv.Itoa(low) + " to " + strconv.Itoa(high))
		}
		return nil
	}
}

func aPace(text string) error {
	if f, err := strconv.ParseFloat(text, 64); err != nil || f <= 0 || f > 1_000_000 {
		return errors.New("a number above 0 and at most 1000000")
	}
	return nil
}

func aTimeout(text string) error {
	if d, err := time.ParseDuration(text); err != nil || d < time.Millisecond || d > 24*time.Hour {
		return errors.New("seconds above 0 and at most a day")
	}
	return nil
}

// anAddress refuses what is no plain base URL. Secrets travel to this address,
// so http is for loopback only.
func anAddress(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("an absolute http or https URL")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return errors.New("a URL without user, query and fragment")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return errors.New("an https URL (http is for loopback only)")
	}
	return nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
