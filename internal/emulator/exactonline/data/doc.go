// Package data owns the rows of the companies of the Exact Online sandbox and
// the OData 2 queries over them: families of entity sets, pages and their next
// links, filters, row versions, deletions, and what a move of a company does
// to them. Rows follow from a seed; a set is made when it is first read.
//
// It must never speak HTTP, know who asks or what they may see, and share code
// with the tap. Whatever it does follows from the vendor's documents (DOC),
// from clients that run against the service (CLIENT), from recorded exchanges
// (REC), or is marked GUESS.
package data
