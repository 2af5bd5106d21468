package hostile

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What vendors tell of how much may be asked for.
func TestLimits(t *testing.T) {
	t.Parallel()
	exact := []target{exactOnline}
	told := func(headers ...string) func(*wire) {
		return func(w *wire) {
			body := w.good().Body.String()
			w.ok(append(headers, fmt.Sprint("Content-Length: ", len(body)))...)
			w.say("%s", body)
		}
	}
	minutely := func(limit, remaining, reset string) func(*wire) {
		return told("X-RateLimit-Minutely-Limit: "+limit, "X-RateLimit-Minutely-Remaining: "+remaining, "X-RateLimit-Minutely-Reset: "+reset)
	}
	daily := func(limit, remaining, reset string) func(*wire) {
		return told("X-RateLimit-Limit: "+limit, "X-RateLimit-Remaining: "+remaining, "X-RateLimit-Reset: "+reset)
	}
	const (
		year3000 = "32503680000000"
		long     = "99999999999999999999999999999999"
	)
	tomorrow := fmt.Sprint(time.Now().Add(20 * time.Hour).UnixMilli())
	run(t, []hostile{
		{name: "words", at: isList, to: exact, exit: complete, sample: true, does: minutely("many", "few", "soon")},
		{name: "nothing", at: isList, to: exact, exit: complete, does: minutely("", "", "")},
		{name: "NaN", at: isList, to: exact, exit: complete, does: minutely("NaN", "NaN", "NaN")},
		{name: "infinite", at: isList, to: exact, exit: complete, does: minutely("Inf", "-Inf", "+Inf")},
		{name: "less than nothing", at: isList, to: exact, exit: complete, does: minutely("-5", "7", "-5")},
		{name: "more than a number", at: isList, to: exact, exit: complete, does: minutely(long, long, long)},
		{name: "a fraction", at: isList, to: exact, exit: complete, does: minutely("0.5", "1e3", "1e-9")},
		{name: "none left until year 3000", at: isList, to: exact, exit: complete, sample: true, does: minutely("60", "0", year3000)},
		{name: "none left until year 1970", at: isList, to: exact, exit: complete, does: minutely("60", "0", "1")},
		{name: "none left today", at: isList, to: exact, exit: later, sample: true, does: daily("5000", "0", tomorrow)},
		{name: "fewer than none left today", at: isList, to: exact, exit: later, does: daily("5000", "-100", tomorrow)},
		{name: "none left this millennium", at: isList, to: exact, exit: complete, does: daily("5000", "0", year3000)},
		{name: "a million headers of limits", to: exact, exit: broken, does: func(w *wire) {
			w.say("HTTP/1.1 200 OK\r\n")
			w.repeat("X-RateLimit-Limit: 5000\r\n", 1e6)
			w.say("\r\n%s", w.good().Body.String())
		}},
		{name: "none left by a clock of year 3000", to: exact, exit: complete, does: told("Date: Wed, 01 Jan 3000 00:00:00 GMT", "X-RateLimit-Minutely-Limit: 60", "X-RateLimit-Minutely-Remaining: 30", "X-RateLimit-Minutely-Reset: "+year3000)},
		{name: "credits", at: isList, to: []target{zohoList}, exit: later, says: "0 API credits left", does: told("X-API-CREDITS-REMAINING: -1", "X-RATELIMIT-REMAINING: NaN", "X-API-CREDITS-LIMIT: 1e99")},
		{name: "throttled for ever", to: []target{saasoptics, accountView}, exit: later, sample: true, does: func(w *wire) { w.answer("429 Slow down", `{"x":"`+strings.Repeat("x", 1<<20)+`"}`) }},
	})
}
