package buchhaltungsbutler

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/buchhaltungsbutler/data"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// maxBody is more than any question needs.
const maxBody = 1 << 20

// slowly is how long an answer takes at its slowest (CLIENT OB: 25 to 45 s).
const slowly = 30 * time.Second

// call is a request that was let in.
type call struct {
	to      target
	key     string
	params  data.Params
	company *data.Company
}

// answer is what a call gets, and how many rows are in it.
type answer struct {
	emulator.Answer
	rows int
}

// ServeHTTP answers as the service does. It sets the three cookies that the
// service sets and never looks at one.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for _, cookie := range []string{
		"bbutler=5f0c1d2e3a4b; path=/; secure; HttpOnly; SameSite=Lax", "AWSALB=q9w8e7r6t5; Path=/",
		"AWSALBCORS=q9w8e7r6t5; Path=/; SameSite=None; Secure",
	} {
		h.Add("Set-Cookie", cookie)
	}
	to := route(r.URL.Path)
	if to.stream != "" && s.faults.Fires(sluggish, to.stream) {
		select {
		case <-time.After(slowly):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	a := s.answer(to, r)
	emulator.CountRows(w, a.rows)
	a.Send(w)
}

// answer looks at a request in the order of the dossier: the path, the method,
// the pair, the body, the tenant, and what is asked. GUESS: that order, and that
// a body which cannot be read is told before the tenant is looked for.
func (s *Service) answer(to target, r *http.Request) answer {
	if to.stream == "" {
		return answer{Answer: notFound()}
	}
	if r.Method != http.MethodPost { // GUESS: the status
		return answer{Answer: failure(http.StatusBadRequest, 2, "Api method calls require POST requests")}
	}
	if !letIn(r) {
		return answer{Answer: wrongPair()}
	}
	params, refused := readBody(r)
	if refused != nil {
		return answer{Answer: *refused}
	}
	c := call{to: to, params: params}
	key, known := keyOf(params)
	switch {
	case key == SuspendedKey:
		return answer{Answer: notActive()}
	case !known || to.kind == toHidden || s.on("noright", to.stream):
		return answer{Answer: noTenant(to)}
	}
	c.key, c.company = key, s.company
	if key == NewKey {
		c.company = s.fresh
	}
	c.params.Lax = s.on(laxBody, to.stream)
	return s.reply(c)
}

// reply answers a call that was let in.
func (s *Service) reply(c call) answer {
	stream := c.to.stream
	switch {
	case s.faults.Fires(restricted, stream):
		return answer{Answer: restrictedNow()}
	case s.faults.Fires(timeout504, stream), s.on(timeoutLarge, stream) && large(c):
		return answer{Answer: timedOut()}
	case s.faults.Fires("internal-error", stream):
		return answer{Answer: broken()}
	}
	switch c.to.kind {
	case toReceipt:
		return one(c.company.Receipt(c.to.id, c.params))
	case toTransaction:
		return one(c.company.Transaction(c.to.id, c.params))
	case toLedger:
		return s.ledger(c)
	case toCreate:
		return s.create(c)
	case toReport:
		return s.report(c)
	default:
		return s.list(c)
	}
}

// letIn checks HTTP Basic: program and secret in UTF-8 (DOC).
func letIn(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	return ok && user == Client && password == Secret
}

// readBody reads a JSON object, or a form. What is neither, or is empty, is
// refused with code 23 (DOC). The body can be read again.
func readBody(r *http.Request) (data.Params, *emulator.Answer) {
	refusal := noContent()
	text, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return data.Params{}, &refusal
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return data.Params{}, &refusal
	}
	p := data.Params{Values: make(map[string]json.RawMessage)}
	switch media {
	case "application/json":
		if json.Unmarshal(text, &p.Values) != nil || len(p.Values) == 0 {
			return data.Params{}, &refusal
		}
	case "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(text))
		if err != nil || len(values) == 0 {
			return data.Params{}, &refusal
		}
		p.Form = true
		for name, list := range values {
			p.Values[name] = rows.AppendText(nil, list[len(list)-1])
		}
	default:
		return data.Params{}, &refusal
	}
	return p, nil
}

// keyOf is the tenant that a body names, and whether it is one of this pair's
// that is active. A key in a header or in the address names nobody.
func keyOf(p data.Params) (key string, ok bool) {
	if json.Unmarshal(p.Values["api_key"], &key) != nil {
		return "", false
	}
	return key, key == Key || key == NewKey
}

// large tells whether a call asks for so much at once that it can time out.
func large(c call) bool {
	var limit int64
	if json.Unmarshal(c.params.Values["limit"], &limit) == nil && limit > 100 {
		return true
	}
	if c.to.kind != toLedger {
		return limit == 0 && (c.to.stream == "receipts" || c.to.stream == "transactions" || c.to.stream == "postings")
	}
	var dates [2]time.Time
	for k, name := range []string{"date_from", "date_to"} {
		var text string
		_ = json.Unmarshal(c.params.Values[name], &text) // what is no date is refused elsewhere
		dates[k], _ = time.Parse(time.DateOnly, text)
	}
	return dates[1].Sub(dates[0]) > 31*24*time.Hour
}

// good is an answer with members behind the message.
func good(members []byte, n int) answer {
	body := append([]byte(`{"success":true,"message":""`), members...)
	return answer{emulator.Answer{Status: http.StatusOK, Header: header(), Body: append(body, '}')}, n}
}

// one answers a single object, without rows (CLIENT).
func one(body []byte, err *data.Error) answer { return wrapped(`"data":`, body, 1, err) }

func wrapped(name string, body []byte, n int, err *data.Error) answer {
	if err != nil {
		return answer{Answer: failed(err)}
	}
	return good(append([]byte(","+name), body...), n)
}

// list answers with rows, the number of those that are in this very answer
// (CLIENT DM L5), never a total.
func (s *Service) list(c call) answer {
	p, err := c.company.List(c.to.stream, c.params)
	if err != nil {
		return answer{Answer: failed(err)}
	}
	s.disturb(c, p)
	members := fmt.Appendf(nil, `,"rows":%d,"data":[`, len(p.IDs))
	return good(append(append(members, p.Rows...), ']'), len(p.IDs))
}

// ledger answers with all lines of an account, inside an object that tells of it.
func (s *Service) ledger(c call) answer {
	p, err := c.company.Ledger(c.params)
	if err != nil {
		return answer{Answer: failed(err)}
	}
	s.disturb(c, p)
	return wrapped(`"report_sums_postingaccount_ledger":`, p.Rows, len(p.IDs), nil)
}

// create begins a report; its number is text (CLIENT DM L7).
func (s *Service) create(c call) answer {
	period, err := data.ReadPeriod(c.to.report, c.params)
	stream := "report_" + c.to.report
	if err == nil && s.faults.Fires(reportBusy, stream) {
		err = busy()
	}
	var id int64
	if err == nil {
		id, err = s.reports.create(c.key, c.to.report, s.on(reportStuck, stream), func() []byte {
			return c.company.Report(c.to.report, period)
		})
	}
	if err != nil {
		return answer{Answer: failed(err)}
	}
	return good([]byte(`,"id_by_customer":"`+strconv.FormatInt(id, 10)+`"`), 0)
}

func (s *Service) report(c call) answer {
	id, err := data.ReadReport(c.params)
	var body []byte
	if err == nil {
		body, err = s.reports.get(c.key, c.to.report, id, s.on(reportStuck, c.to.stream), s.faults.Fires(reportReplaced, c.to.stream))
	}
	return wrapped(`"report":`, body, 1, err)
}
