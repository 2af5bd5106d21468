// Package all owns the list of sources. Adding one is its package and one line
// here. It must hold nothing else.
package all

import (
	"github.com/tap-backoffice/tap-backoffice/internal/source/accountview"
	"github.com/tap-backoffice/tap-backoffice/internal/source/buchhaltungsbutler"
	"github.com/tap-backoffice/tap-backoffice/internal/source/exactonline"
	"github.com/tap-backoffice/tap-backoffice/internal/source/saasoptics"
	"github.com/tap-backoffice/tap-backoffice/internal/source/slascone"
	"github.com/tap-backoffice/tap-backoffice/internal/source/zohocrm"
	"github.com/tap-backoffice/tap-backoffice/internal/stream"
)

// Sources returns every source, in the order of the documentation.
func Sources() []*stream.Source {
	return []*stream.Source{
		saasoptics.Source(),
		zohocrm.Source(),
		slascone.Source(),
		accountview.Source(),
		exactonline.Source(),
		buchhaltungsbutler.Source(),
	}
}
