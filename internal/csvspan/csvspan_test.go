package csvspan_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tap-backoffice/tap-backoffice/internal/csvspan"
)

func all(r io.Reader) ([][]string, error) {
	var out [][]string
	c := csvspan.NewReader(r)
	for {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		var texts []string
		for _, f := range row {
			texts = append(texts, string(f))
		}
		out = append(out, texts)
	}
}

func TestRead(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		want [][]string
	}{
		"nothing":           {"", nil},
		"plain":             {"a,b\n1,2\n", [][]string{{"a", "b"}, {"1", "2"}}},
		"no last line end":  {"a,b\n1,2", [][]string{{"a", "b"}, {"1", "2"}}},
		"CRLF":              {"a,b\r\n1,\"2\"\r\n", [][]string{{"a", "b"}, {"1", "2"}}},
		"byte order mark":   {"\xef\xbb\xbfa\n", [][]string{{"a"}}},
		"quotes":            {"\"a\"\"b\",\"c,d\",\"e\nf\"\n", [][]string{{`a"b`, "c,d", "e\nf"}}},
		"empty fields":      {",\"\",\n", [][]string{{"", "", ""}}},
		"empty lines":       {"\na\n\r\n\nb\n", [][]string{{"a"}, {"b"}}},
		"quote inside":      {"a\"b,c\n", [][]string{{`a"b`, "c"}}},
		"carriage return":   {"a\rb,c\n", [][]string{{"a\rb", "c"}}},
		"quoted at the end": {"a,\"b\"", [][]string{{"a", "b"}}},
		"unicode":           {"ä,株\n", [][]string{{"ä", "株"}}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tc.file), iotest.OneByteReader(strings.NewReader(tc.file)), iotest.DataErrReader(strings.NewReader(tc.file))} {
				got, err := all(r)
				require.NoError(t, err)
				require.Equal(t, tc.want, got)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ file, want string }{
		"cut off":       {"a\n\"b", "csv: row 2: a quote is not closed: the file is cut off"},
		"after a quote": {"a\n\"b\"c\n", "csv: row 2: something follows a closing quote"},
		"columns":       {strings.Repeat(",", csvspan.MaxColumns+1), "csv: row 1: more than 20000 columns"},
		"empty lines":   {"a\n" + strings.Repeat("\r\n", csvspan.MaxRow/2+1), "csv: row 2: more than 4194304 bytes of empty lines"},
		"length":        {"a\n" + strings.Repeat("x", csvspan.MaxRow+1), "csv: row 2: longer than 4194304 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := all(strings.NewReader(tc.file))
			require.EqualError(t, err, tc.want)
		})
	}
	broken := errors.New("broken")
	_, err := all(io.MultiReader(strings.NewReader("a,b\n1,"), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
}

// What the standard library reads, we read the same.
func TestAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.SliceOfN(rapid.StringMatching(`[a-c",\n é]{0,6}`), 3, 3), 1, 20).Draw(t, "rows")
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.UseCRLF = rapid.Bool().Draw(t, "crlf")
		if err := w.WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		want, err := csv.NewReader(bytes.NewReader(b.Bytes())).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		var from io.Reader = bytes.NewReader(b.Bytes())
		if rapid.Bool().Draw(t, "bytewise") {
			from = iotest.OneByteReader(from)
		}
		got, err := all(from)
		if err != nil {
			t.Fatal(err)
		}
		if w.UseCRLF { // the library makes CRLF inside of quotes LF, we keep the bytes
			for _, row := range got {
				for i := range row {
					row[i] = strings.ReplaceAll(row[i], "\r\n", "\n")
				}
			}
		}
		require.Equal(t, want, got)
	})
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "\"a\"\"b\",c\r\n", "\"", "a\"b\n\n", "\xef\xbb\xbf"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		whole, err := all(bytes.NewReader(file))
		bytewise, berr := all(iotest.OneByteReader(bytes.NewReader(file)))
		require.Equal(t, err == nil, berr == nil)
		require.Equal(t, whole, bytewise)
	})
}

func BenchmarkRead(b *testing.B) {
	var f bytes.Buffer
	for range 1000 {
		f.WriteString(strings.Repeat(`4876876000000435017,Smith,"Some, text",2024-05-01T12:00:00+02:00,,true,12.50,`, 15) + "x\n")
	}
	b.SetBytes(int64(f.Len()))
	b.ReportAllocs()
	for b.Loop() {
		r := csvspan.NewReader(bytes.NewReader(f.Bytes()))
		for {
			if _, err := r.Read(); err != nil {
				break
			}
		}
	}
}
