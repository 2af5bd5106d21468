package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tap-backoffice/tap-backoffice/internal/hint"
	"github.com/tap-backoffice/tap-backoffice/internal/secret"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

const (
	// Env is the word that stands for the environment among --config arguments.
	Env = "ENV"

	envPrefix = "TAP_BACKOFFICE_"
	// maxFile is far beyond any config; what is larger is another file.
	maxFile = 1 << 20
	// commandLimit is how long a <key>_cmd may run.
	commandLimit = 30 * time.Second
)

// Raw is a config as it was written: read, not yet checked.
type Raw struct {
	// doc is a pointer so that no verb of fmt walks into it.
	doc *document
}

// String tells nothing of the content.
func (*Raw) String() string { return "config as written" }

type document struct {
	layers []layer
	now    func() time.Time
	env    func(string) (string, bool)
	limit  time.Duration // of a <key>_cmd
	known  func(...secret.Text)
}

// layer is one --config argument.
type layer struct {
	name    string
	members map[string]value // nil for the environment
	keys    []string         // in the order of the file
	twice   []string         // keys that the file repeats
	open    bool             // others than the owner may read it
}

// Read reads the --config arguments, paths or the word ENV; of a setting that
// several have, the last one counts. The environment is looked up with env
// when the settings are known, in Check. The error tells the faults of all
// files, a line each.
func Read(args []string, env func(string) (string, bool)) (*Raw, error) {
	if env == nil {
		env = func(string) (string, bool) { return "", false }
	}
	doc := &document{now: time.Now, env: env, limit: commandLimit, known: func(...secret.Text) {}}
	var faults []string
	for _, arg := range args {
		l := layer{name: Env}
		if arg != Env {
			var bad string
			if l, bad = readFile(arg); bad != "" {
				faults = append(faults, pathOf(arg)+": "+bad)
			}
		}
		doc.layers = append(doc.layers, l)
	}
	if len(faults) > 0 {
		return nil, configFault(faults, "--config wants the path of a JSON file, or ENV")
	}
	return &Raw{doc}, nil
}

// pathOf is a --config argument as a message may show it: the config itself may
// stand there, with its secrets.
func pathOf(arg string) string {
	key, _, pair := strings.Cut(arg, "=")
	if strings.ContainsAny(arg, "{\"\n") || pair && !strings.ContainsAny(key, `/\`) {
		return "an argument of " + strconv.Itoa(utf8.RuneCountInString(arg)) + " characters"
	}
	return arg
}

// Known has that function told of each credential before anything is done with it.
func (r *Raw) Known(told func(...secret.Text)) { r.doc.known = told }

// readFile reads one file; bad tells what is wrong with it.
func readFile(path string) (l layer, bad string) {
	l.name = path
	f, err := os.Open(path)
	if err != nil {
		return l, "expected a file, found: " + cause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return l, "expected a file, found: " + cause(err)
	}
	if info.IsDir() {
		return l, "expected a file, found a directory"
	}
	const tooLarge = "expected at most 1 MB, found more"
	if info.Size() > maxFile {
		return l, tooLarge
	}
	// A pipe tells no size, hence the limit on the reader too.
	body, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return l, "expected a file that can be read, found: " + cause(err)
	}
	if len(body) > maxFile {
		return l, tooLarge
	}
	l.open = forOthers(path, info)
	bad = l.decode(bytes.TrimPrefix(body, []byte("\ufeff")))
	return l, bad
}

// cause is the reason of a file error without the path, which is told already.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}

// decode takes the members out of a JSON object.
func (l *layer) decode(body []byte) (bad string) {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return "expected a JSON object, found an empty file"
	case !utf8.Valid(body):
		return "expected a JSON object, found a file that is not UTF-8 text"
	}
	var whole any
	if err := json.Unmarshal(body, &whole); err != nil {
		return "expected JSON, found " + misstep(body, err)
	}
	if _, ok := whole.(map[string]any); !ok {
		return "expected a JSON object, found " + toValue(body).describe(true)
	}
	// The text is known to be an object now; this walk sees repeated keys.
	dec := json.NewDecoder(bytes.NewReader(body))
	l.members = map[string]value{}
	_, err := dec.Token()
	for err == nil && dec.More() {
		var key json.Token
		var raw json.RawMessage
		if key, err = dec.Token(); err != nil {
			break
		}
		err = dec.Decode(&raw)
		name, _ := key.(string)
		if _, ok := l.members[name]; ok {
			l.twice = append(l.twice, name)
		} else {
			l.keys = append(l.keys, name)
		}
		v := toValue(raw)
		v.layer = l.name
		l.members[name] = v
	}
	if err != nil {
		return "expected JSON, found " + misstep(body, err)
	}
	return ""
}

// forOthers tells a file that others than its owner may read. On Windows the
// mode does not tell. Where a runner writes or mounts the file nobody can narrow
// its rights for good: Meltano does, and so do those of containers.
func forOthers(path string, info fs.FileInfo) bool {
	path = filepath.ToSlash(path)
	return runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o044 != 0 &&
		!strings.Contains(path, "/.meltano/run/") && !strings.Contains(path, "/run/secrets/")
}

// misstep tells where JSON goes wrong. The character is shown only where it is
// punctuation: any other may be part of a secret.
func misstep(body []byte, err error) string {
	at := len(body)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok && e.Offset > 0 && !strings.Contains(e.Error(), "unexpected end") {
		at = min(int(e.Offset)-1, len(body))
	}
	before := body[:at]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	what := "something else"
	switch {
	case at == len(body):
		what = "its end"
	case strings.IndexByte(`{}[]:,"'/`, body[at]) >= 0:
		what = string(body[at])
	}
	return fmt.Sprintf("%s at line %d, column %d", what, line, column)
}

// lookup returns the value of key in the last layer that has it.
func (r *Raw) lookup(key string) (value, bool) {
	for i, l := range slices.Backward(r.doc.layers) {
		if l.members == nil {
			if text, ok := r.doc.env(envName(key)); ok && text != "" {
				return value{kind: textValue, text: text, layer: Env, depth: i}, true
			}
			continue
		}
		if v, ok := l.members[key]; ok {
			v.depth = i
			return v, true
		}
	}
	return value{}, false
}

// fromEnv tells whether ENV is among the arguments.
func (r *Raw) fromEnv() bool {
	for _, l := range r.doc.layers {
		if l.members == nil {
			return true
		}
	}
	return false
}

func envName(key string) string { return envPrefix + strings.ToUpper(key) }

// Source returns the config's own source, one of known, or "" when it names
// none.
func (r *Raw) Source(known []string) (string, error) {
	v, ok := r.lookup(keySource)
	if !ok || v.unset() {
		return "", nil
	}
	want := keySource + ": expected one of " + strings.Join(known, ", ") + ", found "
	if v.kind != textValue {
		return "", configFault([]string{want + v.describe(true)}, "")
	}
	if name, ok := SourceName(known, v.text); ok {
		return name, nil
	}
	help := ""
	if n := hint.Nearest(v.text, known); n != "" {
		help = "did you mean " + n
	}
	return "", configFault([]string{want + v.describe(!nameLike(v.text))}, help)
}

// SourceName returns the member of known that text names, in any case and
// with hyphens for underscores.
func SourceName(known []string, text string) (string, bool) {
	text = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), "-", "_")
	for _, k := range known {
		if k == text {
			return k, true
		}
	}
	return "", false
}

// Switches reads the booleans of a source that are set and well formed, whatever
// else may be wrong: what a config asks for counts before it is whole.
func (r *Raw) Switches(src *stream.Source) stream.Config {
	values := map[string]string{}
	if r != nil {
		for _, s := range Settings(src) {
			if v, ok := r.lookup(s.Key); ok && s.Kind == stream.Boolean && (v.text == "true" || v.text == "false") {
				values[s.Key] = v.text
			}
		}
	}
	return stream.NewConfig(values)
}
