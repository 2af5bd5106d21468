package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tap-backoffice/tap-backoffice/internal/fault"
	"github.com/tap-backoffice/tap-backoffice/internal/httpx"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
)

// reader takes writes as a slow reader of a pipe would.
type reader struct {
	took   []string
	pause  time.Duration
	before func(n int) // called ahead of the n-th write
	fails  error
}

func (r *reader) Write(p []byte) (int, error) {
	if r.before != nil {
		r.before(len(r.took))
	}
	time.Sleep(r.pause)
	if r.fails != nil {
		return 0, r.fails
	}
	r.took = append(r.took, string(p))
	return len(p), nil
}

const state = `{"type":"STATE","value":{}}` + "\n"

// TestStdoutPieces: pieces are small and end with a line.
func TestStdoutPieces(t *testing.T) {
	r := &reader{}
	o := &stdout{w: r}
	long := strings.Repeat("x", 2*pieceSize) + "\n"
	all := strings.Repeat("0123456789\n", 5000) + long + "short\n"
	n, err := o.Write([]byte(all))
	require.NoError(t, err)
	require.Equal(t, len(all), n)
	require.Equal(t, all, strings.Join(r.took, ""))
	require.Greater(t, len(r.took), 3)
	for _, piece := range r.took {
		require.True(t, strings.HasSuffix(piece, "\n"))
		require.True(t, len(piece) <= pieceSize || strings.Count(piece, "\n") == 1)
	}
	n, err = o.Write([]byte("no line end"))
	require.NoError(t, err)
	require.Equal(t, 11, n)
	n, err = o.Write(nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

// TestStdoutCutShort: when the run is over while the reader is slow, the line
// at hand is written, then the last STATE, and nothing more.
func TestStdoutCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		r := &reader{pause: time.Second}
		o := &stdout{w: r, ended: ended}
		for range 2 { // the second is written while it is known to be slow
			_, err := o.Write([]byte("a\n" + state))
			require.NoError(t, err)
		}
		r.took = nil
		r.before = func(n int) {
			if n == 1 {
				close(ended)
			}
		}
		n, err := o.Write([]byte("first\nsecond\nthird\n"))
		require.ErrorIs(t, err, errCutShort)
		require.Equal(t, len("first\nsecond\n"), n)
		require.Equal(t, []string{"first\n", "second\n", state}, r.took)
		_, err = o.Write([]byte("later\n"))
		require.ErrorIs(t, err, errCutShort)
		require.Len(t, r.took, 3)
	})
}

// TestStdoutOver: a reader that keeps up gets all that is still written.
func TestStdoutOver(t *testing.T) {
	ended := make(chan struct{})
	close(ended)
	var b bytes.Buffer
	o := &stdout{w: &b, ended: ended}
	_, err := o.Write([]byte("first\nsecond\n"))
	require.NoError(t, err)
	_, err = o.Write([]byte(state))
	require.NoError(t, err)
	require.Equal(t, "first\nsecond\n"+state, b.String())
}

func TestStdoutFails(t *testing.T) {
	o := &stdout{w: &reader{fails: errors.New("broken")}}
	_, err := o.Write([]byte("first\n"))
	require.Error(t, err)
	_, err = o.Write([]byte("second\n"))
	require.EqualError(t, err, "broken")
	require.Equal(t, fault.Output, fault.KindOf(o.fault()))
	require.NoError(t, (&stdout{}).fault())
}

func TestStderrMasks(t *testing.T) {
	var b bytes.Buffer
	e := &stderr{w: &b}
	_, err := e.Write([]byte("early s3cr3t\n"))
	require.NoError(t, err)
	e.red.Store(httpx.NewRedactor(secret.New("s3cr3t")))
	n, err := e.Write([]byte("late s3cr3t\n"))
	require.NoError(t, err)
	require.Equal(t, 12, n)
	require.Equal(t, "early s3cr3t\nlate ***\n", b.String())
}
