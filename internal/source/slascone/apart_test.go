package slascone_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/fault"
)

// Product children are read from one answer, and lists that it lacks by themselves:
// what befalls one of those concerns that stream alone.
func TestListApart(t *testing.T) {
	children := []string{
		"product_features", "product_limitations", "product_variables", "product_constrained_variables", "product_analytical_fields", "product_usage_features",
		"product_usage_modules", "software_release_limitations", "software_shipments", "software_shipment_properties", "product_email_templates",
	}
	const ships, modules = "software_shipments", "product_usage_modules"
	for _, test := range []struct {
		faults  string
		lost    string
		skipped bool
		kind    fault.Kind
	}{
		{"shallow,noright@" + ships, ships, true, fault.Permission},
		{"shallow,500@" + ships, ships, false, fault.Transient},
		{"shallow,html@" + ships, ships, false, fault.Contract},
		{"shallow,404@" + ships, ships, false, fault.Refused}, // all of them: no trouble with some products
		{"detail-null@" + modules + ",noright@" + modules, modules, true, fault.Permission},
		{"detail-null@" + modules + ",500@" + modules, modules, false, fault.Transient},
	} {
		t.Run(test.faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: test.faults}, func(t *testing.T, s *site) {
				out := s.run(ask{Config: map[string]any{"max_retries": 1}})
				require.NoError(t, out.Report.Err)
				for _, name := range children {
					r := out.Result(name)
					if name != test.lost {
						require.NoError(t, r.Err, name)
						s.whole(out, name)
						continue
					}
					require.Equal(t, test.skipped, r.Skipped, name)
					require.Equal(t, test.kind, fault.KindOf(r.Err), "%v", r.Err)
					require.Empty(t, out.Rows(name))
				}
				if test.skipped {
					require.LessOrEqual(t, len(out.Calls(test.lost)), 4, "but for what was under way, it is not asked for again")
				}
			})
		})
	}
	// A product that went meanwhile has no rows, and that is told; the others do.
	for _, faults := range []string{"shallow,product-gone@" + ships, "shallow,unknown-409,product-gone@" + ships, "detail-null@" + modules + ",product-gone@" + modules} {
		t.Run(faults, func(t *testing.T) {
			visit(t, emulator.Options{Faults: faults}, func(t *testing.T, s *site) {
				out := s.run(ask{}).Complete()
				_, gone, _ := strings.Cut(faults[strings.LastIndex(faults, ","):], "@")
				for _, name := range children {
					if name == gone {
						require.Subset(t, s.truth(name), out.Keys(name))
						require.NotEmpty(t, out.Rows(name))
						require.Less(t, len(out.Rows(name)), len(s.truth(name)))
						continue
					}
					s.whole(out, name)
				}
				require.NotEmpty(t, out.Warnings("the children of one row cannot be read"), fmt.Sprint(out.Warnings("")))
			})
		})
	}
}
