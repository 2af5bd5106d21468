package accountview

import (
	"cmp"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const amsterdam = "Europe/Amsterdam"

// zone is that of times, which are readings of a clock in the Netherlands without
// a zone (REAL; that they are so is GUESS).
func zone(c stream.Config) *time.Location {
	loc, err := time.LoadLocation(cmp.Or(c.Text(keyTimezone), amsterdam))
	if err != nil {
		return time.UTC // invariant: the config was checked, and the program holds the zones
	}
	return loc
}

// floor: an hour that comes twice is read as its first occurrence, so what changes
// from t on may seem to have changed as much earlier as the clock is put back.
func floor(c stream.Config, t time.Time) time.Time {
	loc := zone(c)
	_, before := t.Add(-time.Hour).In(loc).Zone()
	_, after := t.Add(time.Hour).In(loc).Zone()
	return t.Add(time.Duration(min(after-before, 0)) * time.Second)
}

// since filters by a date as FoxPro writes it. The operator compares days, both
// ends included (GUESS by its name): with a day alone the answer is the same should
// it compare times. Nothing but the lower bound is asked for, for the name of the
// other operator is not known.
func since(column string) func(c stream.Config, from, _ string) []stream.Param {
	return func(c stream.Config, from, _ string) []stream.Param {
		day, letter := from, "D"
		if t, err := time.Parse(time.RFC3339Nano, from); err == nil {
			day, letter = floor(c, t).In(zone(c)).Format(time.DateOnly), "T"
		}
		if day == "" {
			return nil
		}
		return filter(column, "DateOnOrAfterDate", letter, "{^"+day+"}")
	}
}

// filter is one condition. CLIENT (APIC, OMNI): that the value is no list has to be
// said.
func filter(column, operator, letter, value string) []stream.Param {
	return []stream.Param{
		{Name: "FilterControlSource1", Value: column},
		{Name: "FilterOperator1", Value: operator},
		{Name: "FilterValueType1", Value: letter},
		{Name: "FilterValue1", Value: value},
		{Name: "FilterIsListOfValues1", Value: "false"},
	}
}
