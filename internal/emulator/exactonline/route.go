package exactonline

import (
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
)

const (
	root    = "/api/v1/"
	unknown = "unknown" // the resource of a path that leads nowhere
)

// The functions that the stand-in has.
const (
	syncTimestamp = "sync_timestamp"
	userHasRights = "user_has_rights"
)

var functions = map[string]string{
	canonical("{division}/read/sync/Sync/SyncTimestamp"): syncTimestamp,
	canonical("{division}/users/UserHasRights"):          userHasRights,
}

// route is what a path leads to.
type route struct {
	api      bool     // below /api/v1/
	scoped   bool     // there is a division in the path
	division int      // 0 where there is none
	set      *edm.Set // nil: no such set
	function string   // or a function
	name     string   // of neither: "token", "authorize", "login"; "" unknown
}

// canonical is a path with its case folded up to the entity set: a service is
// found in any case, an entity set is not (CLIENT: hrm/CostCenters is 404).
func canonical(path string) string {
	k := strings.LastIndexByte(path, '/') + 1
	return strings.ToLower(path[:k]) + path[k:]
}

// route finds a path. Several families have entity sets of one name, so the
// whole path tells.
func (s *Service) route(path string) route {
	rest, api := strings.CutPrefix(path, root)
	if !api {
		switch {
		case path == "/api/oauth2/token":
			return route{name: "token"}
		case path == "/api/oauth2/auth":
			return route{name: "authorize"}
		case strings.HasPrefix(path, "/docs/"):
			return route{name: "login"}
		}
		return route{}
	}
	to := route{api: true}
	parts := strings.Split(rest, "/")
	at := 0
	if strings.EqualFold(parts[0], "beta") {
		at = 1
	}
	if at < len(parts) {
		if n, err := strconv.Atoi(parts[at]); err == nil && n > 0 {
			to.scoped, to.division = true, n
			parts[at] = "{division}"
		}
	}
	key := canonical(strings.Join(parts, "/"))
	to.set, to.function = s.sets[key], functions[key]
	return to
}

// Resource names the stream of a path. Functions and what is outside of the
// API have names of their own, for faults: empty=1@token.
func (s *Service) Resource(path string) string {
	switch to := s.route(path); {
	case to.set != nil:
		return to.set.Name
	case to.function != "":
		return to.function
	case to.name != "":
		return to.name
	}
	return unknown
}

// target is a stream in one division, for faults that are aimed at it:
// noscope@crm_accounts/812345.
func target(set *edm.Set, division int) string {
	if division == 0 {
		return set.Name
	}
	return set.Name + "/" + strconv.Itoa(division)
}
