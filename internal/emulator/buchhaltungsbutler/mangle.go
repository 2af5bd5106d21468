package buchhaltungsbutler

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// Mangle spoils the first row of an answer; there are no links to spoil. What
// has no row stays as it is.
func (*Service) Mangle(fault string, _ *http.Request, body []byte) []byte {
	at := -1
	for _, start := range []string{`"data":[{`, `"data":{`, `"postingaccountLedger":[{`, `"report":{`} {
		if k := bytes.Index(body, []byte(start)); k >= 0 {
			at = k + len(start)
			break
		}
	}
	if at < 0 {
		return body
	}
	var members string
	switch fault {
	case "deep":
		members = `"c_deep":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + ","
	case "dup":
		if end := bytes.IndexByte(body[at:], ':'); end > 0 {
			members = string(body[at:at+end]) + `:"-1",`
		}
	default:
		return body
	}
	return slices.Insert(slices.Clone(body), at, []byte(members)...)
}
