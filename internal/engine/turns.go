package engine

// turnBytes is how many bytes of records are held back of streams that come with
// one answer, so that they take turns in large chunks: a loader may begin a file at
// each turn.
const turnBytes = 256 << 10

// spacious is the buffer that a reader does not keep.
const spacious = 1 << 20

// write writes lines of f, or gathers them if base and others come with it.
func (r *run) write(base, f *reader, lines []byte) error {
	if r.holding != base {
		if err := r.flush(); err != nil {
			return err
		}
	}
	if len(base.riders) == 0 {
		return r.Out.Records(lines)
	}
	r.holding = base
	f.held = append(f.held, lines...)
	if r.held += len(lines); r.held < turnBytes {
		return nil
	}
	return r.flush()
}

// flush writes what was gathered. No STATE may go before it.
func (r *run) flush() error {
	if r.holding == nil {
		return nil
	}
	for _, f := range r.holding.family() {
		if len(f.held) == 0 {
			continue
		}
		if err := r.Out.Records(f.held); err != nil {
			return err
		}
		if f.held = f.held[:0]; cap(f.held) > spacious {
			f.held = nil
		}
	}
	r.holding, r.held = nil, 0
	return nil
}
