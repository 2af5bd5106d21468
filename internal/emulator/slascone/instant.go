package slascone

import (
	"math"
	"strconv"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// ticks are hundreds of nanoseconds since 1970, which is what .NET counts in.
type ticks int64

const (
	never   = ticks(math.MinInt64)
	second  = ticks(1e7)
	minute  = 60 * second
	hour    = 60 * minute
	day     = 24 * hour
	forever = ticks(2534023007999999999) // 9999-12-31T23:59:59.9999999Z: perpetual (CLIENT)
)

func ticksOf(at time.Time) ticks {
	return ticks(at.Unix())*second + ticks(at.Nanosecond()/100)
}

func (t ticks) time() time.Time {
	return time.Unix(int64(t/second), int64(t%second)*100).UTC()
}

// steps are the resolutions that instants have: whole seconds, and 1, 3, 5 or 7
// digits of a fraction (CLIENT: 0, 5 and 7 were seen).
var steps = [...]ticks{second, second / 10, second, second / 1e5, 1, second / 1000, 1, 1}

// rough gives an instant one of the resolutions.
func rough(t ticks, h uint64) ticks {
	t += ticks(h>>40) % 1e7
	return t - t%steps[h%uint64(len(steps))]
}

// append writes the instant as the service does: UTC with Z, and no zeros at the
// end of the fraction. An offset in minutes other than 0 shifts it.
func (t ticks) append(dst []byte, offset int) []byte {
	days := int64((t + ticks(offset)*minute) / day)
	rest := t + ticks(offset)*minute - ticks(days)*day
	if rest < 0 {
		days, rest = days-1, rest+day
	}
	dst = append(rows.AppendDate(append(dst, '"'), days), 'T')
	for k, part := range [...]ticks{rest / hour, rest / minute % 60, rest / second % 60} {
		if k > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, byte('0'+part/10), byte('0'+part%10))
	}
	if fraction := rest % second; fraction > 0 {
		digits := strconv.FormatInt(int64(second+fraction), 10)[1:]
		for digits[len(digits)-1] == '0' {
			digits = digits[:len(digits)-1]
		}
		dst = append(append(dst, '.'), digits...)
	}
	if offset == 0 {
		return append(dst, 'Z', '"')
	}
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return append(dst, sign, byte('0'+offset/600), byte('0'+offset/60%10), ':', byte('0'+offset%60/10), byte('0'+offset%10), '"')
}
