// Package secret owns the type that holds credentials. A Text prints, logs and
// marshals as ***; only Reveal gives the value. Nothing but the code that puts it
// on the wire or into the token store must call Reveal.
package secret

import "log/slog"

// Text is a credential. It is held behind a pointer: where a Text sits in an
// unexported field, fmt cannot call its methods and would walk into it.
type Text struct{ v *string }

// New wraps a credential.
func New(v string) Text { return Text{&v} }

// Reveal returns the credential itself, "" for none.
func (t Text) Reveal() string {
	if t.v == nil {
		return ""
	}
	return *t.v
}

// Empty tells whether there is no credential.
func (t Text) Empty() bool { return t.Reveal() == "" }

const mask = "***"

// String implements fmt.Stringer.
func (Text) String() string { return mask }

// GoString implements fmt.GoStringer, for %#v.
func (Text) GoString() string { return mask }

// LogValue implements slog.LogValuer.
func (Text) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText implements encoding.TextMarshaler, so JSON shows the mask too.
func (Text) MarshalText() ([]byte, error) { return []byte(mask), nil }
