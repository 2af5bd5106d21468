package rows

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testSpec() Spec {
	return Spec{
		Name: "t", Seed: 1, Variants: 150,
		Fields: `
			# all kinds
			id                 id
			a,b                text
			s{1..3}            sentence
			n,list             null
			flags              list
			on                 bool
			sum                dec 4 1 900
			slot               odd
			day                date
			when               time
			kind               pick one|two_words|null
			theme              int~string 1 9
			extra?             text!
			who {
			  name             person
			  mail             email
			}
			lines [lines {
			  id               line
			  days             number 1 90
			}
			*                  tail`,
		Patches: map[string]func([]string) (Patch, error){
			"id": func([]string) (Patch, error) {
				return func(dst []byte, c *Cell) []byte { return strconv.AppendInt(dst, c.Row.ID, 10) }, nil
			},
			"line": func([]string) (Patch, error) {
				return func(dst []byte, c *Cell) []byte { return strconv.AppendInt(dst, c.Row.ID*10+int64(c.Line), 10) }, nil
			},
			"tail": func([]string) (Patch, error) {
				return func(dst []byte, _ *Cell) []byte { return append(dst, `,"tail":true`...) }, nil
			},
		},
		Disputed: 0.04,
		Counts:   map[string]func(int) int{"lines": func(variant int) int { return variant % 3 }},
	}
}

func TestTemplate(t *testing.T) {
	template, err := Compile(testSpec())
	require.NoError(t, err)
	table := testTable(300, 1)
	extra, disputed, odd := 0, 0, 0
	for i := range int64(300) {
		r := table.base(i)
		text := template.Append(nil, r)
		var row map[string]any
		require.NoError(t, json.Unmarshal(text, &row), "%s", text)
		require.InEpsilon(t, float64(r.ID), row["id"], 0)
		require.Equal(t, true, row["tail"])
		for _, name := range []string{"a", "b", "s1", "s3", "n", "list", "on", "sum", "slot", "day", "when", "kind", "theme", "who"} {
			require.Contains(t, row, name)
		}
		if _, ok := row["extra"]; ok {
			extra++
		}
		if _, ok := row["theme"].(string); ok {
			disputed++
		}
		if s, ok := row["slot"].(string); ok {
			if _, err := strconv.ParseFloat(s, 64); err != nil {
				odd++
			}
		}
		for k, line := range row["lines"].([]any) {
			require.InEpsilon(t, float64(r.ID*10+int64(k)), line.(map[string]any)["id"], 0)
		}
	}
	require.Positive(t, extra)
	require.Less(t, extra, 300)
	require.Positive(t, disputed)
	require.Less(t, disputed, 60)
	require.Positive(t, odd)
	require.Less(t, odd, 60)
}

func TestTemplateWithoutAMember(t *testing.T) {
	whole, err := Compile(testSpec())
	require.NoError(t, err)
	spec := testSpec()
	spec.Without = "flags"
	less, err := Compile(spec)
	require.NoError(t, err)
	r := testTable(9, 1).base(4)
	require.Equal(t, strings.Replace(string(whole.Append(nil, r)), `"flags":[],`, "", 1), string(less.Append(nil, r)))
}

func TestTemplateFaults(t *testing.T) {
	for fields, want := range map[string]string{
		"a nonsense":           `a: unknown kind "nonsense"`,
		"a {\nb text":          "no closing }",
		"a [many {\nb bool\n}": `a: unknown count "many"`,
		"a":                    `line "a": no kind`,
		"a int 5":              "a: needs a range",
		"}":                    `line "}": no kind`,
	} {
		_, err := Compile(Spec{Name: "x", Fields: fields, Variants: 9})
		require.ErrorContains(t, err, want)
	}
}

func TestAppendInstant(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	eastern := time.FixedZone("", -5*3600)
	for range 5000 {
		at := time.UnixMicro(rng.Int64N(4e15) - 1e15)
		if rng.IntN(4) == 0 {
			at = at.Truncate(time.Second)
		}
		layout := "2006-01-02T15:04:05.000000Z07:00"
		if at.Nanosecond() == 0 {
			layout = time.RFC3339
		}
		require.Equal(t, at.UTC().Format(layout), string(AppendInstant(nil, at.UnixMicro(), 0)))
		require.Equal(t, at.In(eastern).Format(layout), string(AppendInstant(nil, at.UnixMicro(), -300)))
	}
}

func TestDays(t *testing.T) {
	for d := int64(-20000); d < 40000; d += 7 {
		at := time.Unix(d*86400, 0).UTC()
		require.Equal(t, d, Days(at.Year(), int(at.Month()), at.Day()))
		require.Equal(t, at.Format(time.DateOnly), string(AppendDate(nil, d)))
	}
}

func TestAppendText(t *testing.T) {
	for in, want := range map[string]string{
		"a\"b\\c":     `"a\"b\\c"`,
		"x\n\t\r\x01": `"x\n\t\r\u0001"`,
		"é\u2028/<>":  `"é\u2028/<>"`,
	} {
		require.Equal(t, want, string(AppendText(nil, in)))
	}
}

func TestAppendCents(t *testing.T) {
	require.Equal(t, "12.05", string(AppendCents(nil, 1205, 2)))
	require.Equal(t, "-0.0700", string(AppendCents(nil, -7, 4)))
}
