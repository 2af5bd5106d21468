package zohocrm

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm/data"
)

// modules are the org's, by the names of their streams and the other way
// round.
type modules struct {
	stream map[string]string // by api name
	module map[string]string // by stream
}

// readModules asks the org itself. A stream is the module's api name in lower
// case; where two are the same then, the last six digits of the id tell them
// apart.
func readModules(org *data.Org) (modules, error) {
	m := modules{stream: make(map[string]string), module: make(map[string]string)}
	body, err := org.Settings("settings/modules", url.Values{})
	if err != nil {
		return m, err
	}
	var answer struct {
		Modules []struct {
			ID   string `json:"id"`
			Name string `json:"api_name"`
		} `json:"modules"`
	}
	if err := json.Unmarshal(body.JSON, &answer); err != nil {
		return m, err
	}
	times := make(map[string]int)
	for _, name := range org.Modules() {
		times[strings.ToLower(name)]++
	}
	for _, a := range answer.Modules {
		stream := strings.ToLower(a.Name)
		if times[stream] > 1 && len(a.ID) >= 6 {
			stream += "_" + a.ID[len(a.ID)-6:]
		}
		m.stream[a.Name], m.module[stream] = stream, a.Name
	}
	return m, nil
}
