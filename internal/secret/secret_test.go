package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// holder has a credential where fmt cannot call its methods.
type holder struct {
	Shown  Text
	hidden Text
}

func TestTextNeverShows(t *testing.T) {
	const value = "tok-3f1d77"
	h := holder{Shown: New(value), hidden: New(value)}
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&b, verb+verb+verb+verb, h, &h, h.Shown, []Text{h.hidden})
	}
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "h", h, "t", h.Shown)
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "h", h, "t", h.Shown)
	text, err := json.Marshal(h)
	require.NoError(t, err)
	b.Write(text)
	require.NotContains(t, b.String(), value)
	require.NotContains(t, b.String(), fmt.Sprintf("%x", value))
	require.Contains(t, b.String(), "***")
}

func TestText(t *testing.T) {
	require.Equal(t, "a", New("a").Reveal())
	require.True(t, New("").Empty())
	require.True(t, Text{}.Empty())
	require.False(t, New("a").Empty())
}
