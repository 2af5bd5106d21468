// Package data owns what a company of the BuchhaltungsButler sandbox holds:
// receipts, transactions, postings, parties, accounts, the links between them,
// and the lists, ledgers and reports over them. Rows are computed from a seed
// and their number; only what was changed since the start is stored.
//
// It must never speak HTTP, know credentials or limits, and share code with the
// tap. Rules are marked DOC (the vendor's specification and pages), CLIENT
// (seen or measured by a client of the real service) or GUESS; guesses that
// could hurt a client are members of [Switches].
package data
