package sourcetest

import judge "github.com/tap-backoffice/tap-backoffice/internal/oracle"

// What a record should be, package oracle says.
type (
	oracle   = judge.Oracle
	expected = judge.Expected
	member   = judge.Member
)

const (
	rescuedData = judge.Rescued
	changedAt   = judge.ChangedAt
)

var (
	newOracle   = judge.New
	zoneOf      = judge.Zone
	valueOfMark = judge.ReadMark
	stamped     = judge.Stamped
	truthName   = judge.TruthName
	exclusive   = judge.Exclusive
	looksBack   = judge.LooksBack
	flat        = judge.Flat
	textOf      = judge.TextOf
	quote       = judge.Quote
	canon       = judge.Canon
	sameJSON    = judge.SameJSON
	reordered   = judge.Reordered
	longer      = judge.Longer
	readRescued = judge.ReadRescued
	wallReading = judge.WallReading
	fromWall    = judge.FromWall
	instantOut  = judge.InstantOut
	numberOut   = judge.NumberOut
)
