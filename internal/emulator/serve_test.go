package emulator

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestServe runs the sandbox on a real port: cut and drip go over the network.
func TestServe(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new")
	s := newToy(t, Options{Records: 1234567, WriteConfig: folder, Faults: "cut=1"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, in := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, in, &stderr) }()

	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)

	file := filepath.Join(folder, "toy.json")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var config map[string]string
	require.NoError(t, json.Unmarshal(text, &config))
	require.Equal(t, "toy", config["source"])
	require.Equal(t, "fake", config["key"])
	require.Equal(t, config["api_url"]+"/token", config["token_url"])
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/toy$`, config["api_url"])
	require.Equal(t, "toy  "+config["api_url"]+"  1,234,567 rows\n", stderr.String())
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file is left")

	ask := func() (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, config["api_url"]+"/things/", nil)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
	body, err := ask()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, toyBody[:len(toyBody)/2], body)
	body, err = ask()
	require.NoError(t, err)
	require.Equal(t, toyBody, body)

	cancel()
	require.NoError(t, <-ended)
	http.DefaultClient.CloseIdleConnections()
}

func TestServeOnLoopbackOnly(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:0":        "only loopback addresses",
		":8080":            "only loopback addresses",
		"192.168.1.7:80":   "only loopback addresses",
		"example.com:80":   "only loopback addresses",
		"127.0.0.1":        "missing port",
		"127.0.0.1:999999": "invalid port",
	} {
		var stdout strings.Builder
		err := newToy(t, Options{Listen: address}).Serve(t.Context(), &stdout, io.Discard)
		require.ErrorContains(t, err, want, address)
		require.Empty(t, stdout.String())
	}
	for _, address := range []string{"127.0.0.1:0", "127.0.0.2:0", "[::1]:0", "localhost:0"} {
		listener, err := listen(t.Context(), address)
		if err != nil { // a machine without IPv6
			require.Contains(t, err.Error(), "::1")
			continue
		}
		require.NoError(t, listener.Close())
	}
}

func TestServeWithoutAFolder(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	err := newToy(t, Options{WriteConfig: blocked}).Serve(t.Context(), io.Discard, io.Discard)
	require.ErrorContains(t, err, "write config")
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, want, grouped(n))
	}
}
