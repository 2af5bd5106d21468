package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// bulk measures a bulk file of Zoho CRM: 200,000 contacts of 120 fields in one
// CSV file, typed and written, against its size.
func (b *bench) bulk(ctx context.Context) error {
	const records = 200_000
	base, config, stop, err := b.sandboxOf(ctx, "zoho_crm", "--limits", "off", "--records", strconv.Itoa(records))
	if err != nil {
		return err
	}
	defer stop()
	v, err := values(config)
	if err != nil {
		return err
	}
	j := &bulkJob{base: base, config: v}
	size, err := j.size(ctx, filepath.Join(b.dir, "contacts.zip"))
	if err != nil {
		return fmt.Errorf("the file: %w", err)
	}
	forced, err := b.write("bulk.json", `{"read_method": "bulk", "start_date": "2010-01-01"}`)
	if err != nil {
		return err
	}
	var all []cost
	for range *runs {
		c, err := measure(exec.CommandContext(ctx, b.tap, "-c", config, "-c", forced, "--select", "contacts", "--log-level", "warn"))
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	c := median(all, func(c cost) float64 { return c.cpu.Seconds() })
	fmt.Printf("contacts of zoho_crm by bulk file, %d records of 120 fields, discovery included; median of %d runs\n", records, *runs)
	fmt.Printf("  CSV %.0f MB, %.2f CPU s, peak %.1f MiB (bar: 64): %.0f MB of CSV per CPU second (bar: 100)\n\n",
		float64(size)/1e6, c.cpu.Seconds(), mib(c.rss), float64(size)/1e6/c.cpu.Seconds())
	return nil
}

// bulkJob asks the sandbox for a file by hand.
type bulkJob struct {
	base   string
	config map[string]any
	token  string
}

func (j *bulkJob) ask(ctx context.Context, method, path string, body io.Reader, kind string) ([]byte, error) {
	var out bytes.Buffer
	err := j.copy(ctx, &out, method, path, body, kind)
	return out.Bytes(), err
}

func (j *bulkJob) copy(ctx context.Context, to io.Writer, method, path string, body io.Reader, kind string) error {
	req, err := http.NewRequestWithContext(ctx, method, j.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	if j.token != "" {
		req.Header.Set("Authorization", "Zoho-oauthtoken "+j.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	_, err = io.Copy(to, resp.Body)
	return err
}

// size is how large the CSV of all contacts is, without what the tap adds to it
// by dotted columns.
// The file goes to disk: what this process holds when it starts another one counts
// as the other one's peak.
func (j *bulkJob) size(ctx context.Context, path string) (uint64, error) {
	form := url.Values{"grant_type": {"refresh_token"}}
	for _, name := range []string{"client_id", "client_secret", "refresh_token"} {
		form.Set(name, fmt.Sprint(j.config[name]))
	}
	text, err := j.ask(ctx, http.MethodPost, "/oauth/v2/token", strings.NewReader(form.Encode()), "application/x-www-form-urlencoded")
	if err != nil {
		return 0, err
	}
	var token struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(text, &token); err != nil {
		return 0, err
	}
	j.token = token.Access
	const read = "/crm/bulk/v8/read"
	text, err = j.ask(ctx, http.MethodPost, read, strings.NewReader(`{"query":{"module":{"api_name":"Contacts"}}}`), "application/json")
	for err == nil {
		var a struct {
			Data []struct {
				ID      string
				State   string
				Details struct{ ID string }
			}
		}
		if err = json.Unmarshal(text, &a); err != nil || len(a.Data) == 0 {
			return 0, errors.Join(err, errors.New("no job"))
		}
		id := a.Data[0].ID + a.Data[0].Details.ID
		if a.Data[0].State == "COMPLETED" {
			f, err := os.Create(path)
			if err != nil {
				return 0, err
			}
			err = errors.Join(j.copy(ctx, f, http.MethodGet, read+"/"+id+"/result", nil, ""), f.Close())
			if err != nil {
				return 0, err
			}
			return unpacked(path)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		text, err = j.ask(ctx, http.MethodGet, read+"/"+id, nil, "")
	}
	return 0, err
}

// unpacked is the size of the one file in an archive.
func unpacked(path string) (uint64, error) {
	z, err := zip.OpenReader(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = z.Close() }() // it was read
	return z.File[0].UncompressedSize64, nil
}
