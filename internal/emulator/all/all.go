// Package all owns the list of stand-ins that the sandbox serves. Adding one is
// its package and one line here. It must hold nothing else.
package all

import (
	"github.com/tap-backoffice/tap-backoffice/internal/emulator"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/accountview"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/buchhaltungsbutler"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/exactonline"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/saasoptics"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/slascone"
	"github.com/tap-backoffice/tap-backoffice/internal/emulator/zohocrm"
)

// Plugins returns every stand-in, in the order of the documentation.
func Plugins() []emulator.Plugin {
	return []emulator.Plugin{
		saasoptics.Plugin,
		zohocrm.Plugin,
		slascone.Plugin,
		accountview.Plugin,
		exactonline.Plugin,
		buchhaltungsbutler.Plugin,
	}
}
