package stream

import (
	"encoding/json"
	"errors"
)

// What is decoded takes many times the memory of its bytes. So many values in
// lists, and so many members, are in no answer that is not read as rows.
const (
	maxElements = 50_000
	maxMembers  = 1_000_000
)

// Unmarshal is json.Unmarshal for what a vendor tells beside its rows. It refuses
// what would not be small once it is decoded.
func Unmarshal(body []byte, into any) error {
	commas, colons, open := 0, 0, 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case ',':
			commas++
		case ':':
			colons++
		case '{', '[':
			open++
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		}
	}
	// An object of n members has n colons and a comma less, a list of n values a
	// comma less.
	if commas-colons+open > maxElements || colons > maxMembers {
		return errors.New("json: more values than are expected")
	}
	return json.Unmarshal(body, into)
}
