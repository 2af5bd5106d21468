package stream

import "time"

// repeats checks what makes a stream be read more than once: its passes, orders
// and edits, and days that rows do not show.
func (v *validation) repeats() {
	s := v.s
	v.sizes()
	for i := range s.Passes {
		if p := &s.Passes[i]; p.If != "" && !v.setting(p.If) {
			v.say("Pass %d depends on %s, which is no setting", i+1, p.If)
		}
	}
	if len(s.Passes) > 0 && (s.Cursor != nil || s.Job != nil || s.Roads != nil || s.With != nil) {
		v.say("Passes are lists of a stream that is read whole, by its pages")
	}
	c := s.Cursor
	if c == nil {
		return
	}
	if v.schema == nil {
		return
	}
	p := v.schema.Property(c.Field)
	if c.Stamp != nil {
		day := p != nil && p.Format == "date"
		if !day || !c.Bounded() || c.Sorted || c.Anew || s.Needs() != "" || s.Job != nil || s.Roads != nil || c.Stamp.Margin < 0 {
			v.say("Stamp needs a replication key of type date, both bounds, and pages of a stream that is read by itself")
		}
	}
	if e := c.Edits; e != nil {
		if e.Since == "" || e.Layout == "" || e.Margin < 0 || s.Needs() != "" || s.Job != nil || s.Roads != nil || c.Stamp != nil {
			v.say("Edits needs Since and Layout, of a stream that is read by itself, by its pages")
		} else if time.Unix(0, 0).UTC().Format(e.Layout) == e.Layout {
			v.say("Layout of Edits is none: %s", e.Layout)
		}
	}
	if c.Anew && (!c.Filtered() || c.Sorted || c.Edits != nil) {
		v.say("Anew needs a filter, of a list that is not Sorted")
	}
	if c.Halve && (!c.Bounded() || c.Stamp != nil) {
		v.say("Halve needs both bounds")
	}
}

// sizes checks the pages that are made to fit.
func (v *validation) sizes() {
	switch p := v.s.Page.(type) {
	case Offset:
		if p.Least < 0 || p.Least > 0 && (p.SizeParam == "" || !p.UntilEmpty || p.Least > p.Size) {
			v.say("Least is at most Size, of pages that end with an empty one and whose size is a parameter")
		}
		if p.Overlap && (!p.UntilEmpty || p.Total != "") {
			v.say("Overlap is for a list that ends with an empty page and tells no total")
		}
		if p.Numbered && (!p.Overlap || p.SizeParam == "" || p.Size <= 0) {
			v.say("Numbered pages Overlap, and their size is a parameter")
		}
		if (p.More != "" || p.Grows) && !p.Numbered {
			v.say("More and Grows are told of Numbered pages")
		}
		if p.SizeKey != "" && !v.setting(p.SizeKey) {
			v.say("SizeKey %s is no setting", p.SizeKey)
		}
		if len(p.Orders) > 0 && p.Total != "" {
			v.say("Orders are for a list that tells no total")
		}
	case Keyset:
		if p.Least < 0 || p.Least > 0 && (p.SizeParam == "" || !p.UntilEmpty && !p.Capped || p.Least > p.Size) {
			v.say("Least is at most Size, of pages that end with an empty one and whose size is a parameter")
		}
		if p.SizeKey != "" && !v.setting(p.SizeKey) {
			v.say("SizeKey %s is no setting", p.SizeKey)
		}
	}
}
