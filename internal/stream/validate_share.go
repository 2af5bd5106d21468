package stream

import "strings"

// shared checks partitions that share a bookmark, and what names fields and rows
// otherwise than usual.
func (v *validation) shared() {
	s := v.s
	if w := s.With; w != nil && w.Fields != "" {
		if up := v.source.Stream(w.Stream); up == nil || up.Select == "" {
			v.say("Fields of With is for a carrier with Select")
		}
	}
	if s.All && s.Select == "" {
		v.say("All needs Select")
	}
	if s.Elsewhere && (s.Records == "" || strings.Contains(s.Records, ".") || s.Bare != "" || s.With != nil || s.Chunked != nil || s.Job != nil) {
		v.say("Elsewhere needs Records, a single member, of a list that is read by its pages alone")
	}
	if parts := v.source.Scopes[s.Scope].Parts; parts != "" {
		if !strings.HasPrefix(parts, "_") || s.Parent != nil || s.Deletions != nil || s.Cursor != nil && (len(s.Cursor.Epochs) > 0 || s.Cursor.Kept > 0) {
			v.say("Parts needs a leading _, and a stream without Parent, Deletions, Epochs and Kept")
		}
	}
	if c := s.Cursor; c != nil && c.Lookback < 0 {
		v.say("Lookback goes back")
	}
}
