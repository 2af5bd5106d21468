package exactonline_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/sitetest"
)

// TestDivisions: which of the six divisions of the stand-in are read, and what is
// told of the others.
func TestDivisions(t *testing.T) {
	for title, c := range map[string]struct {
		divisions any
		read      []string
		left      []string // warned of, since they were named
	}{
		"all":      {"all", []string{first, second}, nil},
		"ALL":      {"ALL", []string{first, second}, nil},
		"a list":   {[]string{"All"}, []string{first, second}, nil},
		"unset":    {nil, []string{first, second}, nil},
		"one":      {[]string{second}, []string{second}, nil},
		"text":     {second + ", " + first, []string{first, second}, nil},
		"numbers":  {[]int{813456, 812345, 813456}, []string{first, second}, nil},
		"inactive": {[]string{first, inactive}, []string{first}, []string{inactive}},
		"the rest": {[]string{first, archived, blocked, ungranted}, []string{first}, []string{archived, blocked, ungranted}},
		"no such":  {[]string{second, "99"}, []string{second}, []string{"99"}},
	} {
		t.Run(title, func(t *testing.T) {
			visit(t, emulator.Options{}, func(t *testing.T, s *site) {
				out := s.run(ask{Only: []string{"sync_crm_accounts", "vat_vat_codes"}, Config: map[string]any{"divisions": c.divisions}}).Complete()
				read := map[string]bool{}
				for _, r := range out.Records {
					read[r.Text("_division")] = true
				}
				require.Len(t, out.Records, strings.Count(string(out.Text), `"record":{"_division":`), "the first member")
				require.Len(t, read, len(c.read))
				for _, division := range c.read {
					require.True(t, read[division], division)
					require.NotEmpty(t, out.Bookmark("sync_crm_accounts", division, "Timestamp"))
					require.NotEmpty(t, out.Bookmark("vat_vat_codes", division, "Modified"))
				}
				require.Len(t, out.Report.Left, len(c.left))
				warned := out.Warnings("a division is skipped")
				require.Len(t, warned, len(c.left))
				for i, division := range c.left {
					require.Contains(t, strings.Join(out.Report.Left, " "), division)
					require.Contains(t, strings.Join(warned, " "), division)
					require.Empty(t, calls(out, "", division), "%d: nothing is asked there", i)
				}
				require.Len(t, calls(out, "current_me", ""), 1)
				require.Len(t, calls(out, "system_divisions", ""), 1)
				told := ""
				for line := range strings.Lines(out.Log) {
					if strings.Contains(line, "reading divisions") {
						told = line
					}
				}
				for division, called := range map[string]string{first: "Bakkerij De Molen B.V.", second: "Brasserie L'Écluse"} {
					require.Equal(t, read[division], strings.Contains(told, division+" ("+called), "numbers and names are told: %s", told)
				}
			})
		})
	}
}

// TestDivisionKey: _division is the first key, an integer.
func TestDivisionKey(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"sync_crm_accounts", "general_currencies", "hrm_departments"}}).Complete()
		n := 0
		for line := range strings.Lines(string(out.Text)) {
			var m struct {
				Type, Stream string
				Keys         []string `json:"key_properties"`
				Schema       struct {
					Properties struct {
						Division struct{ Type any } `json:"_division"`
					}
				}
			}
			require.NoError(t, json.Unmarshal([]byte(line), &m))
			if m.Type == "SCHEMA" {
				n++
				require.Equal(t, source.Stream(m.Stream).Key, m.Keys)
				require.Equal(t, "_division", m.Keys[0])
				require.Equal(t, "integer", fmt.Sprint(m.Schema.Properties.Division.Type))
			}
		}
		require.Equal(t, 3, n)
	})
}

// TestNoDivision: a list of divisions in which none can be read ends the run.
func TestNoDivision(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		out := s.run(ask{Only: []string{"sync_crm_accounts"}, Config: map[string]any{"divisions": []string{inactive, ungranted}}})
		require.Equal(t, fault.Permission, fault.KindOf(out.Report.Err))
		require.ErrorContains(t, out.Report.Err, inactive)
		require.ErrorContains(t, out.Report.Err, ungranted)
		require.Empty(t, out.Records)
	})
}

// TestWrongDivisions: what is no number is a fault of the config.
func TestWrongDivisions(t *testing.T) {
	visit(t, emulator.Options{}, func(t *testing.T, s *site) {
		for _, wrong := range []any{"0", "-1", "12a", []string{first, "x"}, "812345;813456", []any{1.5}} {
			_, err := s.Check(map[string]any{"divisions": wrong})
			require.Equal(t, fault.Config, fault.KindOf(err), "%v", wrong)
			require.ErrorContains(t, err, "divisions", "%v", wrong)
			require.NotContains(t, err.Error(), "\n", "and nothing else is wrong: %v", err)
		}
	})
}

// leave are the streams that are read anew once HR was linked to another
// division (DOC).
var leave = []string{"sync_hrm_leave_absence_hours_by_day", "sync_hrm_leave_build_up_registrations", "sync_hrm_leave_registrations"}

// TestMove: a division that was moved has other row versions (DOC): everything
// there is read anew, and nothing elsewhere.
func TestMove(t *testing.T) {
	visit(t, emulator.Options{Records: 40}, func(t *testing.T, s *site) {
		streams := append([]string{"sync_crm_accounts", "sync_deleted", "vat_vat_codes", banks}, leave...)
		one := s.run(ask{Only: streams}).Complete()
		time.Sleep(time.Hour)
		s.Change(emulator.Change{Stream: "system_divisions", IDs: []emulator.ID{first}})
		two := s.run(ask{Only: streams, State: one.State}).Complete()
		for _, name := range streams {
			require.Empty(t, versioned(of(two, name, second)), name)
			before, after := one.Bookmark(name, first, "Timestamp"), two.Bookmark(name, first, "Timestamp")
			if name == "vat_vat_codes" {
				require.Equal(t, one.Bookmark(name, first, "Modified"), two.Bookmark(name, first, "Modified"))
				continue
			}
			require.Less(t, number(t, after), number(t, before), "the bookmark goes down: %s", name)
			s.coversDivision(name, first, two)
			require.Equal(t, one.Bookmark(name, second, "Timestamp"), two.Bookmark(name, second, "Timestamp"))
		}
		three := s.run(ask{Only: streams, State: two.State}).Complete()
		require.Empty(t, versioned(three.Records), "once is enough")
		require.NotEqual(t, one.Bookmark(banks, first, "_division_move_date"), three.Bookmark(banks, first, "_division_move_date"))

		// HR is linked anew: the leave streams alone.
		time.Sleep(time.Hour)
		s.Change(emulator.Change{Stream: "hrm_divisions", IDs: []emulator.ID{second}})
		four := s.run(ask{Only: streams, State: three.State}).Complete()
		for _, name := range streams {
			require.Empty(t, versioned(of(four, name, first)), name)
		}
		for _, name := range leave {
			s.coversDivision(name, second, four)
		}
		for _, name := range []string{"sync_crm_accounts", banks} {
			require.Empty(t, of(four, name, second), name)
		}
	})
}

// versioned are the records with a row version.
func versioned(records []record) []record {
	var out []record
	for _, r := range records {
		if r.Text("Timestamp") != "" {
			out = append(out, r)
		}
	}
	return out
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return n
}

// TestInterruptedMove: reading anew is broken off, before its first page and
// after one; nothing is lost either way.
func TestInterruptedMove(t *testing.T) {
	for _, page := range []int{1, 2} {
		t.Run(strconv.Itoa(page), func(t *testing.T) {
			visit(t, emulator.Options{Records: 1500}, func(t *testing.T, s *site) {
				a := ask{Only: thin([]string{banks}), Concurrency: 1}
				one := s.run(a).Complete()
				time.Sleep(time.Hour)
				s.Change(emulator.Change{Stream: "system_divisions", IDs: []emulator.ID{first, second}})
				stop := make(chan struct{})
				a.State, a.Stop = one.State, stop
				a.Network = nth(first+"/sync/Payroll/BankAccounts", func(n int, r *http.Request) *http.Response {
					if n == page {
						time.Sleep(time.Millisecond) // what has come is written
						close(stop)
						<-r.Context().Done()
						return sitetest.Answer(r, http.StatusServiceUnavailable, "") // nobody hears it
					}
					return nil
				})
				two := s.run(a)
				require.Error(t, two.Report.Err)
				if page == 1 {
					require.Equal(t, one.Bookmark(banks, first, "Timestamp"), two.Bookmark(banks, first, "Timestamp"))
					require.Equal(t, one.Bookmark(banks, first, "_division_move_date"), two.Bookmark(banks, first, "_division_move_date"))
				} else {
					require.NotEmpty(t, of(two, banks, first))
				}
				a = ask{Only: thin([]string{banks}), State: two.State}
				three := s.run(a).Complete()
				if page == 1 {
					s.coversDivision(banks, first, three)
				}
				s.covers(banks, "ID", two, three)
			})
		})
	}
}

// TestMovedTwice: while it is read anew it is moved again.
func TestMovedTwice(t *testing.T) {
	visit(t, emulator.Options{Records: 1500}, func(t *testing.T, s *site) {
		a := ask{Only: thin([]string{banks}), Concurrency: 1}
		one := s.run(a).Complete()
		var once sync.Once
		for range 2 {
			time.Sleep(time.Hour)
			s.Change(emulator.Change{Stream: "system_divisions", IDs: []emulator.ID{first}})
			stop := make(chan struct{})
			a.State, a.Stop = one.State, stop
			a.Network = nth(first+"/sync/Payroll/BankAccounts", func(n int, r *http.Request) *http.Response {
				var cut *http.Response
				if n == 2 {
					once.Do(func() {
						time.Sleep(time.Millisecond) // what has come is written
						close(stop)
						<-r.Context().Done()
						cut = sitetest.Answer(r, http.StatusServiceUnavailable, "") // nobody hears it
					})
				}
				return cut
			})
			one = s.run(a)
		}
		one.Complete()
		s.coversDivision(banks, first, one)
	})
}
