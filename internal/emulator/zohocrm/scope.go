package zohocrm

import (
	"slices"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
)

// granted is what the refresh token of the config may do: the wide form (DOC),
// in which users, org, bulk and COQL are scopes of their own.
const granted = "ZohoCRM.modules.ALL ZohoCRM.settings.ALL ZohoCRM.users.ALL ZohoCRM.org.ALL ZohoCRM.bulk.ALL ZohoCRM.coql.READ " + searchScope

// searchScope is what a count wants next to the module's. DOC (record count).
const searchScope = "ZohoSearch.securesearch.READ"

// need is one scope that a call wants: the whole area or a part of it.
type need struct {
	area, part string
	or         string // another scope that will do
}

// needs are the scopes of a path (DOC). GUESS: ZohoCRM.settings.READ, by the
// pattern of the others; that COQL takes modules.ALL or coql.READ.
func needs(to route) []need {
	switch to.kind {
	case toSettings:
		return []need{settingsNeed(to.path)}
	case toList, toRecord, toDeleted, toRelated:
		return []need{{area: "modules", part: strings.ToLower(to.module)}}
	case toCount:
		return []need{{area: "modules", part: strings.ToLower(to.module)}, {area: "search", or: searchScope}}
	case toCOQL:
		return []need{{area: "coql", or: "ZohoCRM.modules.ALL"}}
	case toBulk, toJob, toDownload:
		return []need{{area: "bulk"}}
	case nowhere, toToken, toRevoke, toAuthorize:
	}
	return nil
}

func settingsNeed(path string) need {
	first, rest, _ := strings.Cut(path, "/")
	part, _, _ := strings.Cut(rest, "/")
	switch {
	case strings.EqualFold(first, "Contacts"):
		return need{area: "modules", part: "contacts"}
	case first == "org" && part != "":
		return need{area: "settings", part: part, or: "ZohoCRM.org.ALL"}
	case first == "settings":
		return need{area: "settings", part: part}
	}
	return need{area: first}
}

// metBy tells whether a scope is among those of a token.
func (n need) metBy(scopes []string) bool {
	return slices.ContainsFunc(scopes, func(scope string) bool {
		if n.or != "" && strings.EqualFold(scope, n.or) {
			return true
		}
		for _, right := range []string{".ALL", ".READ"} {
			if strings.EqualFold(scope, "ZohoCRM."+n.area+right) || n.part != "" && strings.EqualFold(scope, "ZohoCRM."+n.area+"."+n.part+right) {
				return true
			}
		}
		return false
	})
}

// outOfScope refuses a call whose scope the token lacks: no new token helps.
func outOfScope(who session, list []need) *emulator.Answer {
	for _, n := range list {
		if !n.metBy(who.scopes) {
			a := scopeMismatch()
			return &a
		}
	}
	return nil
}
