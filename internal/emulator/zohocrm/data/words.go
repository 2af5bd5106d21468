package data

import (
	"strconv"
	"strings"

	"github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"
)

// word is a text in the forms it is written in.
type word struct {
	plain  string
	json   string // inside of a JSON string
	csv    string // with quotes doubled
	quoted bool   // needs quotes in CSV
}

func makeWord(s string) *word {
	escaped := rows.AppendText(nil, s)
	return &word{s, string(escaped[1 : len(escaped)-1]), strings.ReplaceAll(s, `"`, `""`), strings.ContainsAny(s, ",\"\r\n")}
}

func makeWords(list ...string) []*word {
	out := make([]*word, len(list))
	for k, s := range list {
		out[k] = makeWord(s)
	}
	return out
}

// The words hold what trips careless readers: quotes, backslashes, line ends,
// letters outside ASCII and outside the BMP.
var (
	firstWords   = makeWords("Ines", "Jörg", "Zoë", "Aoife", "明", "Søren", "Chloé", "Omar", "Priya", "Tom")
	lastWords    = makeWords("Vos", "Müller", "O'Neil", "Ní Bhriain", "佐藤", "Ångström", "de \"Boer\"", "Haddad", "Rao", "Berg, Jr.")
	companyWords = makeWords("Northwind Labs", "Müller & Söhne GmbH", "O'Brien \"Quality\" Foods", "株式会社サンプル", "Łódź Logistyka Sp. z o.o.",
		"Café Renée", "Rocket 🚀 Ventures", "Fabrikam, Inc.", "Acme \\ Roadrunner", "Ærø Skibsværft A/S")
	subjectWords  = makeWords("Renewal", "Pilot, phase 2", "Upgrade \"Pro\"", "Wartung", "Réunion", "見積", "Rollout", "Audit & training")
	localWords    = makeWords("ines.vos", "info+eu", "o'brien", "zoe", "einkauf", "s.angstrom")
	domainWords   = makeWords("northwind.example", "mueller.example", "foods.example", "samp.example")
	sentenceWords = makeWords("See attached order form.", "Line one\nLine two", "Tab\there", "He said \"yes\" \\ and signed", "Rabatt: 12,5 %",
		"naïve café – “quoted”", "emoji 👍🏽 ok", "separator\u2028inside", "<p>Terms &amp; conditions</p>", "null", "0", " leading and trailing ", "a;b;c", "=1+1")
	plainWords   = makeWords("EMEA", "Partner", "A-1", "Ünïcode", "N/A", "Gold & Co", "50% off", "Q3/2026", "日本", "-", "true", "12.50")
	streetWords  = makeWords("Kade 12", "Hauptstraße 4b", "12 Rue de l'Église", "350 5th Ave, Fl 21", "Store Kongensgade 59")
	cityWords    = makeWords("Utrecht", "München", "Austin", "Łódź", "København", "São Paulo")
	codeWords    = makeWords("3511 AB", "80331", "73301", "01067", "1264 ")
	countryWords = makeWords("Netherlands", "Germany", "United States", "Poland", "Côte d'Ivoire")
	phoneWords   = makeWords("+31 30 555 0101", "(512) 555-0103", "0049 89 5550 102", "+81-3-5550-0106 ext. 7")
	urlWords     = makeWords("https://www.northwind.example/", "http://docs.example/a?x=1&y=%20", "https://mueller.example/é#c")
	fileWords    = makeWords("offer.pdf", "Zusage Müller.docx", "photo 1, crop.png", "報告.xlsx")
	choiceWords  = makeWords("Qualified", "Open", "Closed", "On Hold", "Web, Download", "Ext. \"Partner\"", "-None-")
	stageWords   = makeWords("Qualification", "Needs Analysis", "Proposal/Price Quote", "Closed Won", "Closed Lost")
	currencyISO  = makeWords("EUR", "USD", "GBP", "SEK")
	listWords    = makeWords("North", "South; West", "East", "Øst", "\"Centre\"")
	// A rich text longer than the 500 characters that lists give (DOC).
	richWords = makeWords("<div>"+strings.Repeat("Größe & „Wert“, 12.5 % <b>x</b> ", 40)+"</div>", "<p>short</p>",
		strings.Repeat("日本語のテキスト。", 70), strings.Repeat("👍🏽 emoji ", 90))
)

// user is someone who works in the org.
type user struct {
	id                        int64
	first, last, email        string
	json, plain               string // as a lookup of a record, and of a setting
	phrase, firstWord, mailTo *word
}

const (
	idBase   = 7_300_000_000_000_000
	userBase = idBase + 250_001
	owners   = 5 // of the users, those that own records
)

// people are the users that records refer to.
var people = func() []user {
	list := []user{
		{first: "Ida", last: "Falk"},
		{first: "Jörg", last: "von der Heide"},
		{first: "Zoë", last: "O'Neil \"Zo\""},
		{first: "明", last: "佐藤"},
		{first: "API", last: "User"},
	}
	for k := range list {
		u := &list[k]
		u.id = userBase + int64(k)
		u.email = "user" + strconv.Itoa(k+1) + "@org.example"
		u.phrase = makeWord(u.first + " " + u.last)
		u.firstWord, u.mailTo = makeWord(u.first), makeWord(u.email)
		u.plain = `{"name":"` + u.phrase.json + `","id":"` + strconv.FormatInt(u.id, 10) + `"}`
		u.json = strings.TrimSuffix(u.plain, "}") + `,"email":"` + u.email + `"}`
	}
	return list
}()

// cutRunes shortens the inside of a text to n characters.
func cutRunes(s string, n int) string {
	for k := range s {
		if n == 0 {
			return s[:k]
		}
		n--
	}
	return s
}

func appendCSVText(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `""`)...)
	return append(dst, '"')
}
