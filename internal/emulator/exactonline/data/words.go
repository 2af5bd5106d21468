package data

import "github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"

// user is someone who works in the companies.
type user struct {
	id                         guid
	first, middle, last, email string
}

var users = func() []user {
	list := []user{
		{first: "Ines", last: "Vos", email: "ines.vos@molen.example"},
		{first: "Jörg", middle: "von der", last: "Heide", email: "j.heide@molen.example"},
		{first: "Zoë", last: "O'Neil-Dupont", email: "zoe+exact@ecluse.example"},
		{first: "佐藤", last: "明", email: "sato@molen.example"},
		{first: "API", last: "koppeling", email: "api@molen.example"},
	}
	for k := range list {
		list[k].id = makeGUID(0x0a11ce, uint64(k))
	}
	return list
}()

func (u *user) full() string {
	if u.middle == "" {
		return u.first + " " + u.last
	}
	return u.first + " " + u.middle + " " + u.last
}

var currencies = []string{
	"EUR", "USD", "GBP", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "BGN", "JPY", "CNY", "INR", "AUD", "CAD", "TRY", "ZAR", "BRL",
}

// The words hold what trips careless readers: quotes, backslashes, line ends,
// letters outside ASCII and outside the BMP.
var (
	companyWords = []string{
		"Bakkerij De Molen B.V.", "Müller & Söhne GmbH", "O'Brien \"Quality\" Foods", "Société Générale du Nord", "株式会社サンプル",
		"Łódź Logistyka Sp. z o.o.", "Café Renée", "Rocket 🚀 Ventures", "Fabrikam, Inc.", "Acme \\ Roadrunner", "Jansen & Zn", "'t Hoekje",
	}
	sentenceWords = []string{
		"Levering volgens afspraak", "Zie bijlage.", "Regel een\r\nregel twee", "Tab\tdaar", "Hij zei \"ja\" \\ en tekende", "Korting 12,5 %",
		"naïef café – “citaat”", "emoji 👍🏽 ok", "gescheiden\u2028binnenin", "<p>Voorwaarden &amp; prijzen</p>", "null", "0",
		" spaties eromheen ", "/Date(1717158896173)/", "Vervoer & opslag", "Factuur 2024-001", "Onderhoud per maand", "\u200bonzichtbaar",
	}
	plainWords = []string{
		"A", "Standaard", "Groothandel", "N/A", "50% korting", "Q3/2026", "日本", "Ünïcode", "x", "B2B", "Klein & fijn", "-", "true", "12.50",
	}
	firstWords    = []string{"Ines", "Jörg", "Zoë", "Aoife", "明", "Søren", "Chloé", "Omar", "Priya", "Tom"}
	lastWords     = []string{"Vos", "Müller", "O'Neil", "Ní Bhriain", "佐藤", "Ångström", "Dupont", "de \"Boer\"", "Haddad", "Rao"}
	middleWords   = []string{"van", "de", "van der", "von", "le"}
	fullWords     = []string{"Ines Vos", "Jörg von der Heide", "Zoë O'Neil", "佐藤 明", "Aoife Ní Bhriain", "S. Ångström", "Omar \"Mo\" Haddad"}
	streetWords   = []string{"Kade 12", "Hauptstraße 4b", "12 Rue de l'Église", "Prinsengracht 263-267", "Store Kongensgade 59", "Grote Markt 1"}
	cityWords     = []string{"Delft", "Utrecht", "'s-Hertogenbosch", "Liège", "München", "Kraków", "København"}
	postcodeWords = []string{"2628 XJ", "3511AB", "80331", "4000", "59000", "1264 ", "01067"}
	stateWords    = []string{"ZH", "UT", "BY", "NB", "LI"}
	countryWords  = []string{"NL ", "BE ", "DE ", "FR ", "LU ", "GB "}
	landWords     = []string{"Nederland", "België", "Deutschland", "France", "Luxembourg", "Verenigd Koninkrijk"}
	languageWords = []string{"NL-NL     ", "NL-BE     ", "FR-BE     ", "DE-DE     ", "EN-US     "}
	unitWords     = []string{"day     ", "pc      ", "hour    ", "kg      ", "box     ", "m²      "}
	unitNames     = []string{"Dag", "Stuk", "Uur", "Kilogram", "Doos", "Vierkante meter"}
	vatWords      = []string{"4  ", "5  ", "0  ", "2  ", "1  ", "21V", "VL "}
	phoneWords    = []string{"+31 15 555 0101", "015-5550102", "+49 89 5550 103", "(020) 5550104", "+33 3 20 55 01 05"}
	emailWords    = []string{"crediteuren@molen.example", "info+nl@ecluse.example", "o'brien@foods.example", "facturen@jansen.example"}
	urlWords      = []string{"https://www.molen.example/", "http://jansen.example/a?x=1&y=%20", "https://ecluse.example/é#c"}
	pictureWords  = []string{
		"https://start.exactonline.nl/docs/images/placeholder_item.png",
		"https://start.exactonline.nl/docs/SysAttachment.aspx?ID=5b1c7a52-0d8e-4f0a-9d1e-3f5a6f1c2b11&_Division_=812345",
	}
	genderWords  = []string{"M", "V", "O"}
	letterWords  = []string{"A", "B", "C", "P", "S", "D"}
	titleWords   = []string{"DHR", "MEVR", "IR", "DR"}
	methodWords  = []string{"B", "I", "K", "Q", "V"}
	journalWords = []string{"10", "20", "30", "60", "70", "90", "MEM"}
	yearStatuses = []int64{10, 20, 30, 50, 12, 21, 45}
)

func pick(words []string, h uint64) string { return words[rows.Mix(h, 9)%uint64(len(words))] }
