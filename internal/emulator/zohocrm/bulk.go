package zohocrm

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm/data"
)

// Stages of a job. It goes on with time or with polls, whichever is faster:
// how long a job takes nobody promises (GUESS).
var (
	stages    = []string{"ADDED", "QUEUED", "IN PROGRESS", "COMPLETED"}
	stageEnds = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second}
)

const completed = 3

// resultAge is how long a result can be had: as long as its page token (GUESS).
const resultAge = 24 * time.Hour

// jobs are the bulk reads of the org.
type jobs struct {
	perPage int

	mu   sync.Mutex
	last int64
	jobs map[string]*job
	next map[string]data.Query // by page token
}

// job is one bulk read. Its rows are those of the moment at which a poll found it
// done.
type job struct {
	id      string
	asked   json.RawMessage // the query as it came
	query   data.Query
	stream  string
	created time.Time
	fails   bool
	stuck   bool

	mu    sync.Mutex // held while the file is made
	polls int
	file  *data.File // nil until it is done
	count int
	more  bool
	token string
}

func newJobs(perPage int) *jobs {
	j := &jobs{perPage: perPage}
	j.reset()
	return j
}

func (j *jobs) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = 7300000009000000
	j.jobs, j.next = make(map[string]*job), make(map[string]data.Query)
}

func (j *jobs) add(b *job) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	b.id = strconv.FormatInt(j.last, 10)
	j.jobs[b.id] = b
}

func (j *jobs) find(id string) *job {
	j.mu.Lock()
	defer j.mu.Unlock()
	if b := j.jobs[id]; b != nil && time.Since(b.created) < resultAge {
		return b
	}
	return nil
}

// goesOn remembers the query that a page token stands for, [jobs.known] finds it.
func (j *jobs) goesOn(token string, q data.Query) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next[token] = q
}

func (j *jobs) known(token string) (data.Query, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	q, ok := j.next[token]
	return q, ok
}

// poll tells how far a job is; asking counts.
func (b *job) poll() int {
	b.polls++
	age, k := time.Since(b.created), 0
	for k < len(stageEnds) && age >= stageEnds[k] {
		k++
	}
	k = min(completed, max(k, b.polls))
	if b.stuck {
		k = min(k, completed-1)
	}
	return k
}

// bulkRequest is what POST /read takes.
type bulkRequest struct {
	Query    json.RawMessage `json:"query"`
	FileType string          `json:"file_type"`
}

type bulkQuery struct {
	Module struct {
		APIName string `json:"api_name"`
	} `json:"module"`
	Fields   []string        `json:"fields"`
	Criteria json.RawMessage `json:"criteria"`
	Page     *int            `json:"page"`
	Token    string          `json:"page_token"`
}

func badBulk(code, message string, details object) *data.Error {
	return &data.Error{Status: http.StatusBadRequest, Code: code, Message: message, Details: details}
}

// createJob answers POST /crm/bulk/v8/read: 201, and a job that runs by itself.
func (s *Service) createJob(c *call) emulator.Answer {
	b, err := s.newJob(c)
	if err != nil {
		if known, ok := errors.AsType[*data.Error](err); ok {
			return worded(known)
		}
		return refusal(http.StatusInternalServerError, "INTERNAL_ERROR", err.Error(), nil)
	}
	b.stream = s.modules.stream[b.query.Module]
	if a := s.barred(b.stream, b.query.Module); a != nil {
		return *a
	}
	b.fails, b.stuck = s.env.Fires("bulk-fails", "bulk/"+b.stream), s.env.Fires("bulk-stuck", "bulk/"+b.stream)
	s.jobs.add(b)
	return asJSON(http.StatusCreated, object{
		"data": []object{{
			"status": "success", "code": "ADDED_SUCCESSFULLY", "message": "Added successfully.",
			"details": s.describe(b, 0),
		}},
		"info": object{},
	})
}

// newJob reads the request. A page token stands alone: it holds the query (DOC).
func (s *Service) newJob(c *call) (*job, error) {
	var request bulkRequest
	if err := readJSON(c.r, &request); err != nil {
		return nil, err
	}
	if len(request.Query) == 0 {
		return nil, badBulk("MANDATORY_NOT_FOUND", "required field not found", object{"api_name": "query"}) // GUESS: the code
	}
	var q bulkQuery
	if json.Unmarshal(request.Query, &q) != nil {
		return nil, badBulk("INVALID_DATA", "invalid data", object{"api_name": "query"})
	}
	if request.FileType != "" && request.FileType != "csv" { // DOC: ics is for events; the sandbox has none
		return nil, badBulk("INVALID_DATA", "invalid data", object{"api_name": "file_type"})
	}
	b := &job{asked: request.Query, created: time.Now()}
	if q.Token != "" {
		return b, s.goOn(b, q)
	}
	if q.Module.APIName == "" {
		return nil, badBulk("MANDATORY_NOT_FOUND", "required field not found", object{"api_name": "module"})
	}
	page := 1
	if q.Page != nil {
		page = *q.Page
	}
	if page > 1 && s.env.Share("bulk-token-only", source, 1) > 0 {
		return nil, badBulk("INVALID_DATA", "use the page_token of the job before", object{"api_name": "page"})
	}
	if page == 0 {
		page = -1 // what is not named is the first, what is named 0 is out of range
	}
	b.query = data.Query{Module: q.Module.APIName, Fields: q.Fields, Criteria: q.Criteria, Page: page, PerPage: s.jobs.perPage}
	return b, s.org.Check(b.query)
}

// goOn makes a job from the page token of another. GUESS: what stands next to
// the token is refused.
func (s *Service) goOn(b *job, q bulkQuery) error {
	if q.Module.APIName != "" || q.Page != nil || len(q.Fields) > 0 {
		return badBulk("AMBIGUITY_DURING_PROCESSING", "Ambiguity while processing the request", object{
			"ambiguity_due_to": []object{{"api_name": "page_token"}, {"api_name": "module"}},
		})
	}
	if err := s.org.Check(data.Query{Token: q.Token}); err != nil {
		return err
	}
	var ok bool
	if b.query, ok = s.jobs.known(q.Token); !ok {
		return badBulk("INVALID_DATA", "invalid data", object{"api_name": "page_token"})
	}
	return nil
}

// pollJob answers GET /crm/bulk/v8/read/{id}.
func (s *Service) pollJob(c *call) emulator.Answer {
	b := s.jobs.find(c.job)
	if b == nil {
		return noJob()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.poll()
	if k == completed && !b.fails {
		if err := s.finish(b); err != nil {
			return refusal(http.StatusInternalServerError, "INTERNAL_ERROR", err.Error(), nil)
		}
	}
	return asJSON(http.StatusOK, object{"data": []object{s.describe(b, k)}})
}

func noJob() emulator.Answer {
	return refusal(http.StatusNotFound, "RESOURCE_NOT_FOUND", "the requested resource is not found", nil)
}

// finish makes the file of a job, once.
func (s *Service) finish(b *job) error {
	if b.file != nil {
		return nil
	}
	file, err := s.org.File(b.query)
	if err != nil {
		return err
	}
	if b.file = file; s.empty(b.stream) {
		return nil
	}
	b.count, b.more, b.token = file.Len(), file.More, file.Token
	if b.token != "" {
		next := b.query
		next.Page++
		s.jobs.goesOn(b.token, next)
	}
	return nil
}

// describe is a job as its answers show it. A result can already be there
// before the job is done (DOC): without a count or an address.
func (s *Service) describe(b *job, stage int) object {
	out := object{
		"id": b.id, "operation": "read", "state": stages[stage],
		"created_by":   object{"id": "7300000000250001", "name": "Ida Falk"},
		"created_time": b.created.UTC().Format("2006-01-02T15:04:05-07:00"),
	}
	if stage == 0 {
		return out
	}
	out["file_type"], out["query"] = "csv", b.asked
	switch {
	case stage == completed && b.fails:
		out["state"] = "FAILURE"
		out["result"] = object{"error_message": "the job could not be processed"}
	case stage == completed:
		result := object{
			"page": b.query.Page, "per_page": s.jobs.perPage, "count": b.count, "more_records": b.more,
			"download_url": bulkRoot + "read/" + b.id + "/result", "next_page_token": nil,
		}
		if b.token != "" {
			result["next_page_token"] = b.token
		}
		out["result"] = result
	case stage == completed-1:
		out["result"] = object{"page": b.query.Page, "per_page": s.jobs.perPage, "count": 0, "more_records": false}
	}
	return out
}

// download answers GET /crm/bulk/v8/read/{id}/result: a ZIP with one CSV, made
// while it is sent. GUESS: what is not done is not found.
func (s *Service) download(w http.ResponseWriter, c *call, leave func()) {
	b := s.jobs.find(c.job)
	var made *data.File
	if b != nil {
		made = b.made()
	}
	if made == nil {
		leave()
		noJob().Send(w)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+b.id+`.zip"`)
	w.WriteHeader(http.StatusOK)
	buffer := bufio.NewWriterSize(w, 64<<10)
	z := zip.NewWriter(buffer)
	z.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestSpeed) })
	file, err := z.CreateHeader(&zip.FileHeader{Name: b.id + ".csv", Method: zip.Deflate, Modified: b.created})
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	n, more := b.count, b.more
	if made.CSV(file, !s.empty(b.stream)) != nil {
		panic(http.ErrAbortHandler) // the client is gone, or the answer cannot be had whole
	}
	if hook := s.env.PageHook(); hook != nil {
		hook(emulator.Page{Source: source, Resource: b.stream, Number: int64(b.query.Page), Count: int64(n)})
	}
	if more && s.env.Fires("moving", b.stream) {
		_, _ = s.org.Touch(b.query.Module, time.Now(), 1) // a module without times: nothing moves
	}
	emulator.CountRows(w, n)
	leave()
	if z.Close() != nil || buffer.Flush() != nil {
		panic(http.ErrAbortHandler)
	}
}

// made is the file once a poll has found the job done, nil before.
func (b *job) made() *data.File {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.file
}
