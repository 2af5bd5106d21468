package hostile

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// Ids of rows that become part of a path, and keys that become part of a query.
func TestParents(t *testing.T) {
	t.Parallel()
	id := func(text string) func(*wire) {
		return func(w *wire) {
			_, row, _, ok := w.first().parts()
			if !ok {
				return
			}
			var v map[string]json.RawMessage
			_ = json.Unmarshal([]byte(row), &v)
			v["id"], _ = json.Marshal(text)
			row2, _ := json.Marshal(v)
			w.answer("200 OK", fmt.Sprintf("[%s]", row2))
		}
	}
	children := func(name, text string, exit int, says string) hostile {
		return hostile{name: name, to: []target{slascone}, stream: "customer_contacts", exit: exit, says: says, does: id(text)}
	}
	// What cannot lead elsewhere is asked for, and the service does not have it.
	run(t, []hostile{
		children("id of dots", "..", broken, "dot segments"),
		children("id that leads above", "../../../../admin", broken, "dot segments"),
		children("id that leads above, encoded", "%2e%2e%2f%2e%2e", broken, "dot segments"),
		children("id with a backslash", `..\..\admin`, broken, ""),
		children("id with a query", "x?y=1#z", failure, "x%3Fy%3D1%23z"),
		children("id with line ends", "x\r\nInjected: yes\r\n\r\nGET /x", broken, "control characters"),
		children("id with NUL", "x\x00y", broken, ""),
		children("id that is a host", "//169.254.169.254/x", failure, "%2F%2F169.254.169.254%2Fx"),
		children("id of 1 MB", strings.Repeat("x", 1<<20), failure, ""),
		children("id that is empty", "", failure, "404"),
	})
}
