package hint

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	known := []string{"token", "account_name", "start_date", "api"}
	for name, want := range map[string]string{
		"tokn": "token", "Account-Name": "account_name", "startdate": "start_date", "start_dat": "start_date", "": "", "xyz": "", "zzzzzz": "", "api_token": "token", strings.Repeat("token", 20): "",
	} {
		require.Equal(t, want, Nearest(name, known), name)
	}
}
