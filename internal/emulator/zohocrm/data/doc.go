// Package data owns what the Zoho CRM sandbox holds: modules and their fields,
// rows computed from a seed, deletions, settings, and the queries over them
// (lists with page tokens, deleted records, related lists, COQL, the CSV of a
// bulk read). Rows are never stored; what was changed since the start is.
//
// It must never speak HTTP, know tokens, credits or jobs, and share code with
// the tap. Whatever it does follows from the vendor's documents (DOC), from
// clients that run against the service (CLIENT), or is marked GUESS; guesses
// that could hurt a client are switches, see [Org.Switch].
package data
