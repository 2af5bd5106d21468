package emulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// grace is how long answers under way may take once the sandbox is told to end, less
// than a command may take after a signal.
const grace = time.Second

// Serve listens, writes the configs, names each source on stderr, writes ready
// on stdout, and serves until ctx ends. Ending so is no error.
func (s *Server) Serve(ctx context.Context, stdout, stderr io.Writer) error {
	listener, err := listen(ctx, s.opts.Listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	origin := "http://" + listener.Addr().String()
	if err := s.announce(origin, stdout, stderr); err != nil {
		return errors.Join(err, listener.Close())
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if server.Shutdown(last) != nil {
		_ = server.Close() // answers that drip are cut
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listen takes loopback addresses only: the stand-ins have no secrets, and
// whoever reaches them can change their data.
func listen(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen %q: %w", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen %q: only loopback addresses such as 127.0.0.1:0 or [::1]:0", address)
	}
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", address)
}

func (s *Server) announce(origin string, stdout, stderr io.Writer) error {
	for _, name := range s.names {
		if s.opts.WriteConfig != "" {
			if err := s.writeConfig(name, origin); err != nil {
				return fmt.Errorf("write config: %w", err)
			}
		}
		m := s.mounts[name]
		if _, err := fmt.Fprintf(stderr, "%s  %s%s  %s rows\n", name, origin, m.prefix, grouped(m.service.Rows())); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(stdout, "ready")
	return err
}

// writeConfig puts the config of a source in place in one step, so that who
// waits for the file never reads half of it.
func (s *Server) writeConfig(name, origin string) error {
	config, err := s.Config(name, origin)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.opts.WriteConfig, 0o700); err != nil {
		return err
	}
	file := filepath.Join(s.opts.WriteConfig, name+".json")
	temp, err := os.CreateTemp(s.opts.WriteConfig, "."+name+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(append(text, '\n'))
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// grouped writes 1234567 as 1,234,567.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for k := len(s) - 3; k > 0; k -= 3 {
		s = s[:k] + "," + s[k:]
	}
	return s
}
