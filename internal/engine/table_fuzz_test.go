package engine

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// FuzzTable reads bulk files, packed by us or any bytes: what is taken for a file is
// one for archive/zip too and is bounded, a table that is read to its end has the
// rows that encoding/csv finds, each once, and all else breaks the vendor's contract.
func FuzzTable(f *testing.F) {
	for _, text := range []string{threeRows, "id,name\n1,a\n", "id\n1\n\n2\n", "id,name\r\n1,\"a\r\nb\"\r\n2,\"\"\n", "id,name\n1,a\"b\n", "id,name\n1\n", "id,id\n1,2\n", "\xef\xbb\xbfid,name\n1,\x00\n", "", "\"id\",\"v\"\n\"1\",\"2\"", "id,name\n1,\"a"} {
		f.Add(true, []byte(text))
	}
	f.Add(false, []byte(archive(f, entry{name: "7.csv", text: threeRows})))
	f.Add(false, []byte(archive(f, entry{name: "../7.csv", text: "id\n1\n"})))
	f.Add(false, []byte(archive(f, entry{name: "7.csv", text: "id\n1\n", size: 3})))
	f.Add(false, []byte(archive(f, entry{name: "7.csv", text: "id\n1\n", crc: 7})))
	f.Add(false, []byte(archive(f, entry{name: "7.csv", text: "id\n1\n"}, entry{name: "8.csv", text: "id\n2\n"})))
	f.Fuzz(func(t *testing.T, pack bool, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		file := data
		if pack {
			file = []byte(archive(t, entry{name: "7.csv", text: string(data)}))
		}
		content, opened := unpackedBoth(t, file)
		s := tabled("orders")
		s.Cursor = nil
		w := newWorld(t, s)
		w.v.says("jobs", "7")
		w.v.says("files/7", string(file))
		res := w.runFiled("")
		err := res.result("orders").Err
		if err != nil {
			require.Equal(t, fault.Contract, fault.KindOf(err), "%v", err)
			require.NotEmpty(t, fault.As(err).Hint)
			return
		}
		require.True(t, opened, "rows of a file that archive/zip does not read")
		reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))))
		rows, err := reader.ReadAll()
		if err != nil {
			return // it wants quotes where we do not
		}
		// What is not empty of a line of blanks is a row here, of one field.
		if len(rows[0]) > 1 {
			require.Len(t, res.values("orders", "id"), len(rows)-1)
		}
		at := slices.IndexFunc(rows[0], func(name string) bool { return strings.EqualFold(name, "id") })
		require.GreaterOrEqual(t, at, 0, "rows without a key")
		written := map[string]bool{}
		for _, id := range res.values("orders", "id") {
			written[fmt.Sprintf("%.0f", id)] = true
		}
		for _, row := range rows[1:] {
			require.True(t, written[row[at]] || !wholeNumber.MatchString(row[at]), "the row %s is lost", row[at])
		}
	})
}

var wholeNumber = regexp.MustCompile(`^[1-9][0-9]{0,9}$`)

// unpackedBoth opens an archive as the tap does and by archive/zip, which have to
// agree on what is in it.
func unpackedBoth(t *testing.T, file []byte) (content []byte, ok bool) {
	t.Helper()
	const most = 1 << 22
	entry, err := openTable(bytes.NewReader(file))
	if err != nil {
		return nil, false
	}
	defer entry.Close()
	content, err = io.ReadAll(io.LimitReader(entry, most))
	z, zerr := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, zerr)
	require.Len(t, z.File, 1)
	other, oerr := z.File[0].Open()
	require.NoError(t, oerr)
	defer other.Close()
	want, oerr := io.ReadAll(io.LimitReader(other, most))
	require.Equal(t, oerr == nil, err == nil, "%v, %v", oerr, err)
	if err == nil {
		require.True(t, bytes.Equal(want, content))
	}
	return content, err == nil
}
