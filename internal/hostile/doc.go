// Package hostile owns the tests of the built program against servers that mean
// harm: bombs, lies, endless answers, and links, redirects and tokens that lead
// elsewhere. Whatever is answered, the program ends by itself, soon, with the exit
// code of the contract, in bounded memory, with a short text that holds no secret,
// and after having asked nobody but the configured host.
//
// It must hold no code but tests, build no bomb in memory, and go easy on no case:
// a server that the program cannot bear is mended there, not here.
package hostile
