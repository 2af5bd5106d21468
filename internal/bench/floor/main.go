// Command floor is the measure for the tap's own cost: the shortest program that
// fetches the pages of one resource, as the tap does, and writes their bytes to
// stdout. It must do nothing else with them: what the tap takes beyond this is
// the tap's.
//
//	floor URL TOKEN
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url, token string) error {
	for url != "" {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Token "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answered %s", url, resp.Status)
		}
		if _, err := os.Stdout.Write(body); err != nil {
			return err
		}
		if url, err = next(body); err != nil {
			return err
		}
	}
	return nil
}

// next finds the link to the next page without reading the rows: it stands in
// front of them.
func next(body []byte) (string, error) {
	_, rest, ok := bytes.Cut(body, []byte(`"next":`))
	end := bytes.IndexByte(rest, ',')
	if !ok || end < 0 {
		return "", fmt.Errorf("no link in %.80s", body)
	}
	var link *string
	if err := json.Unmarshal(rest[:end], &link); err != nil || link == nil {
		return "", err
	}
	return *link, nil
}
