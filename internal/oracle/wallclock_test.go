package oracle

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWallTime holds the reading of a site's clock against examples worked out
// by hand; the first is the recorded one, an order of 14:28:10 GMT.
func TestWallTime(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"Created", "/Date(1782404890063)/", "2026-06-25T14:28:10.063000Z"},
		{"Modified", "/Date(1717158896173)/", "2024-05-31T10:34:56.173000Z"},
		{"OrderDate", "/Date(1717113600000)/", "2024-05-31T00:00:00.000000Z"},
		{"Modified", "/Date(1717113600000)/", "2024-05-30T22:00:00.000000Z"},
		{"OrderDate", "/Date(1717113600001)/", "2024-05-30T22:00:00.001000Z"},
		{"Modified", "2024-01-15T12:00:00", "2024-01-15T11:00:00.000000Z"},
		{"Modified", "2024-03-31T01:59:59", "2024-03-31T00:59:59.000000Z"},
		{"Modified", "2024-03-31T02:30:00", "2024-03-31T01:30:00.000000Z"}, // never shown
		{"Modified", "2024-03-31T03:00:00", "2024-03-31T01:00:00.000000Z"},
		{"Modified", "2024-10-27T02:30:00", "2024-10-27T00:30:00.000000Z"}, // shown twice
		{"Modified", "2024-10-27T03:00:00", "2024-10-27T02:00:00.000000Z"},
		{"BirthDate", "/Date(-86400000)/", "1969-12-31T00:00:00.000000Z"},
		{"Modified", "", "null"},
	} {
		got, ok := wallTime(tc.name, tc.text)
		require.True(t, ok, tc.text)
		require.Equal(t, tc.want, got, "%s %s", tc.name, tc.text)
	}
	for _, text := range []string{"/Date(x)/", "yesterday", "2024-02-30T00:00:00"} {
		_, ok := wallTime("Modified", text)
		require.False(t, ok, text)
	}
}

// TestFlat: the scanner sees what encoding/json would.
func TestFlat(t *testing.T) {
	list, err := Flat([]byte(` {"a":1 , "b\"c" : "x\\\"y\\\\" ,"d":{"e":[1,"}"]},"f":null,"a":[ ]} `))
	require.NoError(t, err)
	want := []string{"a", "1", `b"c`, `"x\\\"y\\\\"`, "d", `{"e":[1,"}"]}`, "f", "null", "a", "[ ]"}
	var got []string
	for _, m := range list {
		got = append(got, m.Name, string(m.Raw))
	}
	require.Equal(t, want, got)
	for _, text := range []string{"", "{", "[]", `{"a"}`, `{"a":}`, `{"a":1}x`, `{"a":"}`} {
		_, err := Flat([]byte(text))
		require.Error(t, err, text)
	}
}
