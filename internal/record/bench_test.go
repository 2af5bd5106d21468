package record_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/jsonspan"
	"github.com/tap-backoffice/tap-backoffice/internal/record"
	"github.com/tap-backoffice/tap-backoffice/internal/singer"
)

// page builds an envelope of rows the way vendors send it.
func page(n int, row func(r *rand.Rand, i int) string) []byte {
	r := rand.New(rand.NewPCG(1, 2)) // the same rows every time
	var sb strings.Builder
	sb.WriteString(`{"count":142,"next":null,"previous":null,"results":[`)
	for i := range n {
		if i > 0 {
			sb.WriteByte(',')
		}
		sb.WriteString(row(r, i))
	}
	sb.WriteString(`]}`)
	return []byte(sb.String())
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func text(r *rand.Rand, least, most int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz ABCDEFGH 0123456789"
	b := make([]byte, least+r.IntN(most-least+1))
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}

// invoiceRow is a row of 30 members and about 920 bytes, with escapes, UTF-8,
// nulls, decimals, an object and an array, whose members come in an order that
// is not that of the schema.
func invoiceRow(r *rand.Rand, i int) string {
	return fmt.Sprintf(`{"id":%d,"code":"INV-%06d","name":"%s","city":%s,"country":"%s","note":%s,"memo":"%s","is_paid":%t,"is_void":%t,`+
		`"total":"%d.%02d","tax":%d.%02d,"rate":%d.%04d,"balance":%d.5,"quantity":%d,"customer":%d,"owner":%s,"created":"2026-0%d-1%dT08:41:%02d.%06dZ",`+
		`"modified":"2026-1%d-0%dT1%d:15:%02d.%06dZ","due":"2026-12-%02d","external_id":"%08x-%04x-4abc-9def-%012x","tags":["%s","%s"],"address":{"street":"%s","zip":"%05d","city":"%s"},`+
		`"phone":"+31 30 555 %04d","email":"%s@example.com","status":"%s","currency":"%s","project":null,"department":%s,"description":"%s","url":"https://pay.example/i/%d"}`,
		100000+i, i, text(r, 10, 30), pick(r, `"Utrecht"`, `"München"`, `"Köln"`, `"’s-Hertogenbosch"`), pick(r, "Netherlands", "Germany"),
		pick(r, `null`, `"line one\nline two"`, `"say \"hello\""`, `""`), text(r, 20, 60), r.IntN(2) == 0, r.IntN(9) == 0,
		r.IntN(100000), r.IntN(100), r.IntN(1000), r.IntN(100), r.IntN(10), r.IntN(10000), r.IntN(10000), r.IntN(50), 5000+r.IntN(5000), pick(r, "null", "17", "3"),
		1+r.IntN(9), r.IntN(9), r.IntN(60), r.IntN(1000000), r.IntN(3), 1+r.IntN(9), r.IntN(10), r.IntN(60), r.IntN(1000000), 1+r.IntN(28),
		r.Uint32(), r.IntN(65536), r.Uint64()>>16, text(r, 3, 8), text(r, 3, 8), text(r, 8, 20), r.IntN(100000), text(r, 5, 12),
		r.IntN(10000), text(r, 4, 9), pick(r, "open", "closed", "in progress"), pick(r, "EUR", "USD"), pick(r, "null", `"Sales"`, `"R&D"`), text(r, 140, 240), 90000+i)
}

func nullable(typ string) *singer.Schema { return &singer.Schema{Type: typ, Nullable: true} }

func formatted(format string) *singer.Schema {
	return &singer.Schema{Type: "string", Nullable: true, Format: format}
}

func rescued() singer.Property {
	return singer.Property{Name: record.RescuedData, Schema: nullable("string")}
}

func invoiceOptions() record.Options {
	str := func(names ...string) (out []singer.Property) {
		for _, n := range names {
			out = append(out, singer.Property{Name: n, Schema: nullable("string")})
		}
		return out
	}
	s := &singer.Schema{Type: "object"}
	s.Properties = append(s.Properties, singer.Property{Name: "id", Schema: &singer.Schema{Type: "integer"}},
		singer.Property{Name: "modified", Schema: formatted("date-time")}, singer.Property{Name: "created", Schema: formatted("date-time")},
		singer.Property{Name: "total", Schema: nullable("number")}, singer.Property{Name: "tax", Schema: nullable("number")},
		singer.Property{Name: "rate", Schema: nullable("number")}, singer.Property{Name: "balance", Schema: nullable("number")},
		singer.Property{Name: "quantity", Schema: nullable("integer")}, singer.Property{Name: "customer", Schema: nullable("integer")},
		singer.Property{Name: "owner", Schema: nullable("integer")}, singer.Property{Name: "is_paid", Schema: nullable("boolean")},
		singer.Property{Name: "is_void", Schema: nullable("boolean")}, singer.Property{Name: "due", Schema: nullable("string")},
		singer.Property{Name: "address", Schema: nullable("object")}, singer.Property{Name: "tags", Schema: nullable("array")})
	s.Properties = append(s.Properties, str("code", "name", "city", "country", "note", "memo", "external_id", "phone", "email",
		"status", "currency", "project", "department", "description", "url")...)
	s.Properties = append(s.Properties, rescued())
	return record.Options{Stream: "invoices", Schema: s, Key: []string{"id"}, Cursor: "modified"}
}

// contractRow is a row of SaaSOptics' contracts with everything the schema knows.
func contractRow(r *rand.Rand, i int) string {
	null := func(s string) string { return pick(r, "null", s, s) }
	quoted := func(least, most int) string { return `"` + text(r, least, most) + `"` }
	profile := fmt.Sprintf(`{"parent_id":null,"name":%s,"company_name":%s,"salutation":null,"first_name":%s,"last_name":%s,"addr1":%s,"addr2":"","addr3":null,"city":%s,"state":"UT","zip_code":"3511 AB","country":"Netherlands",`+
		`"shipping_addr1":%s,"shipping_addr2":null,"shipping_addr3":null,"shipping_city":%s,"shipping_country":null,"shipping_state":null,"shipping_zip_code":null,"phone":"+31 30 555 %04d","fax":null,"email":"ap@northwind.example",`+
		`"contact":%s,"alt_contact":null,"alt_phone":null,"account_number":%s,"full_name":%s,"currency":%d,"customer_type_ref_fullname":null,"default_credit_memo_template":%d,"default_invoice_template":%d,"edit_sequence":"%d",`+
		`"entity_use_code":null,"is_active":true,"job_status":null,"job_description":null,"job_type":null,"job_start_date":%s,"job_end_date":null,"job_projected_end_date":null,"invoice_print_preference":false,"invoice_email_preference":%t,`+
		`"payment_terms":%d,"resale_number":null,"sales_rep":null,"qbo_bill_parent_customer":false,"tax_exemption_reason":null}`,
		quoted(8, 20), quoted(8, 24), quoted(3, 9), quoted(4, 12), quoted(6, 20), quoted(5, 12), null(quoted(6, 20)), null(quoted(5, 12)), r.IntN(10000),
		null(quoted(5, 20)), null(`"10020030"`), quoted(8, 24), 1+r.IntN(20), r.IntN(9), r.IntN(9), r.IntN(1<<30), null(`"2026-01-01"`), r.IntN(2) == 0, 1+r.IntN(5))
	return fmt.Sprintf(`{"id":%d,"number":"C-%05d","maxio_id":null,"entry_date":"2025-11-0%d","is_active":true,"notes":%s,"qb_job_id":null,"is_job":false,"unbalanced_revenue_exception":false,"email":"ap@northwind.example",`+
		`"default_cadence_template":null,"sf_id":"8005e000001a%06d","register":2,"register_maxio_id":null,"customer":%d,"billing_profile":%s,"created":"2025-11-0%dT14:12:%02d.%06dZ","created_by":17,"created_by_name":"jlee",`+
		`"modified":"2026-1%d-19T08:41:%02d.%06dZ","modified_by":17,"modified_by_name":"jlee","text_field1":"EMEA","text_field2":null,"number_field1":"12.5000","number_field2":null,"channel":"Partner","lead_source":null,"lead_date":null}`,
		41207+i, i, 1+r.IntN(9), pick(r, `""`, `"Renewal \"gold\", see file"`, quoted(10, 60)), r.IntN(1000000), 5000+r.IntN(5000), profile,
		1+r.IntN(9), r.IntN(60), r.IntN(1000000), r.IntN(3), r.IntN(60), r.IntN(1000000))
}

// contractsFields is the description of the contracts stream, members in its
// order, as sources/saasoptics.fields.json has it.
const contractsFields = "testdata/contracts.fields.json"

func contractOptions(tb testing.TB) record.Options {
	tb.Helper()
	raw, err := os.ReadFile(contractsFields)
	require.NoError(tb, err)
	s := fieldsSchema(tb, raw)
	s.Nullable = false
	s.Property("id").Nullable = false
	s.Properties = append(s.Properties, rescued())
	return record.Options{Stream: "contracts", Schema: s, Key: []string{"id"}, Cursor: "modified"}
}

// fieldsSchema reads an object of fields; inner dates are plain strings.
func fieldsSchema(tb testing.TB, raw []byte) *singer.Schema {
	tb.Helper()
	type field struct {
		Type       string
		Properties json.RawMessage
	}
	s := nullable("object")
	m := jsonspan.NewMembers(raw, jsonspan.Space(raw, 0))
	for m.Next() {
		var f field
		require.NoError(tb, json.Unmarshal(m.Value(), &f))
		p := singer.Property{Name: string(m.Name()), Schema: nullable(f.Type)}
		switch {
		case f.Properties != nil:
			p.Schema = fieldsSchema(tb, f.Properties)
			for i := range p.Schema.Properties {
				p.Schema.Properties[i].Schema.Format = ""
			}
		case f.Type == "date" || f.Type == "date-time":
			p.Schema = formatted(f.Type)
		}
		s.Properties = append(s.Properties, p)
	}
	require.NoError(tb, m.Err())
	return s
}

func compile(tb testing.TB, o record.Options) *record.Converter {
	tb.Helper()
	p, err := record.Compile(o)
	require.NoError(tb, err)
	return p.NewConverter()
}

var extracted = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC).Format("2006-01-02T15:04:05.000000Z")

// benchmark converts a page of 1,000 rows over and over, walk included.
func benchmark(b *testing.B, o record.Options, row func(r *rand.Rand, i int) string) {
	const rows = 1000
	body := page(rows, row)
	c := compile(b, o)
	c.SetTime(extracted)
	s, err := jsonspan.CompileShape(jsonspan.Paths{Rows: []string{"results"}, Captures: []string{"next"}})
	require.NoError(b, err)
	var (
		found jsonspan.Page
		out   []byte
		n     int
	)
	each := func(_ int, body []byte, i int) (end int, err error) {
		out, end, err = c.Append(out, body, i)
		if len(out) > 60<<10 {
			out = out[:0]
		}
		n++
		return end, err
	}
	require.NoError(b, s.Walk(body, &found, each))
	require.Zero(b, c.Rescued())
	require.Empty(b, c.Notes())
	n = 0
	b.SetBytes(int64(len(body) / rows))
	b.ReportAllocs()
	for n < b.N {
		if err := s.Walk(body, &found, each); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkAppend30Fields(b *testing.B) { benchmark(b, invoiceOptions(), invoiceRow) }

func BenchmarkAppendContracts(b *testing.B) { benchmark(b, contractOptions(b), contractRow) }
