package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// control answers below /_sandbox/. It is the sandbox's own, no vendor has it:
//
//	GET  <source>/log                 requests, one JSON object a line
//	GET  <source>/stats               counters, see [Stats]
//	GET  <source>/truth?stream=       every live row of a stream, one a line
//	POST <source>/change?stream=&rows=&delete=&insert=&ids=&gone=&at=
//	                                  see [Change]; answers {"changes": [Report, …]}
//	POST <source>/reset[?with=data,faults]
//	                                  empties log and counters; also undoes every
//	                                  change, also counts faults from the first
//	                                  request again
func (s *Server) control(w http.ResponseWriter, r *http.Request, rest string) {
	source, verb, _ := strings.Cut(rest, "/")
	m, ok := s.mounts[source]
	if !ok {
		fail(w, http.StatusNotFound, fmt.Errorf("no source %q, open are %s", source, strings.Join(s.names, ", ")))
		return
	}
	method := http.MethodGet
	if verb == "change" || verb == "reset" {
		method = http.MethodPost
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		fail(w, http.StatusMethodNotAllowed, fmt.Errorf("%s takes %s", verb, method))
		return
	}
	query := r.URL.Query()
	switch verb {
	case "log":
		w.Header().Set("Content-Type", "application/x-ndjson")
		lines := json.NewEncoder(w)
		lines.SetEscapeHTML(false)
		for _, e := range m.log.entries() {
			if lines.Encode(e) != nil {
				return
			}
		}
	case "stats":
		reply(w, m.log.stats(source))
	case "truth":
		w.Header().Set("Content-Type", "application/x-ndjson")
		if err := m.service.Truth(w, query.Get("stream")); err != nil {
			fail(w, http.StatusNotFound, err)
		}
	case "change":
		c, err := parseChange(query)
		if err == nil {
			var reports []Report
			if reports, err = m.change(c); err == nil {
				reply(w, map[string]any{"source": source, "changes": reports})
				return
			}
		}
		fail(w, http.StatusBadRequest, err)
	case "reset":
		for what := range strings.SplitSeq(query.Get("with"), ",") {
			switch what {
			case "data":
				m.service.Reset()
			case "faults":
				m.faults.reset()
			}
		}
		m.log.reset()
		reply(w, map[string]any{"source": source, "reset": true})
	default:
		fail(w, http.StatusNotFound, fmt.Errorf("no %q, there are log, stats, truth, change, reset", verb))
	}
}

func parseChange(query url.Values) (Change, error) {
	c := Change{Stream: query.Get("stream")}
	for name, target := range map[string]*int{"rows": &c.Rows, "delete": &c.Delete, "insert": &c.Insert} {
		if text := query.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 {
				return c, fmt.Errorf("%s=%q: not a count", name, text)
			}
			*target = n
		}
	}
	for name, target := range map[string]*[]ID{"ids": &c.IDs, "gone": &c.Gone} {
		for id := range strings.SplitSeq(query.Get(name), ",") {
			if id != "" {
				*target = append(*target, ID(id))
			}
		}
	}
	if text := query.Get("at"); text != "" {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return c, fmt.Errorf("at=%q: not RFC 3339", text)
		}
		c.At = at
	}
	return c, nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	_ = out.Encode(v) // a client that went away is no fault of ours
}

func fail(w http.ResponseWriter, status int, err error) {
	body, _ := json.Marshal(map[string]string{"error": err.Error()})
	Answer{status, http.Header{"Content-Type": {"application/json"}}, append(body, '\n')}.Send(w)
}
