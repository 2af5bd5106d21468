// Package long holds tests of runs that are long: millions of records through the
// built program, days with tokens, paces and quotas, hundreds of nights. What they
// watch is what must not grow: memory, open files, goroutines, the state, the calls
// of a night.
//
// It must hold no code: nothing imports it. The tests are brief unless -records,
// -hours or -nights say how long they are to be (make long).
package long
