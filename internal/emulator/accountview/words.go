package accountview

import "github.com/tap-backoffice/tap-backoffice/internal/emulator/rows"

// The words hold what trips careless readers: quotes, backslashes, line ends,
// the euro sign, letters outside ASCII, texts that look like other types.
var (
	companyWords = []string{
		"Bakker Techniek", "De Wit", "Zee & Zn", "Müller & Söhne GmbH", "O'Brien \"Quality\" Foods", "Café Renée",
		"'t Hoekje", "Fabrikam, Inc.", "Acme \\ Roadrunner", "Société Générale du Nord", "Łódź Logistyka", "IJsselmeer Vis B.V.", "100% Groen",
	}
	personWords = []string{"Ines Vos", "Jörg von der Heide", "Zoë O'Neil", "P. de \"Boer\"", "Aoife Ní Bhriain", "M. van 't Hoff"}
	streetWords = []string{"Kade 12", "Hauptstraße 4b", "12 Rue de l'Église", "Prinsengracht 263-267", "Grote Markt 1", "'s-Gravelandseweg 8 III"}
	cityWords   = []string{"Delft", "'s-Hertogenbosch", "Liège", "München", "Utrecht", "IJmuiden", "København"}
	zipWords    = []string{"2628 XJ", "3511AB", "80331", "4000", "01067"}
	phoneWords  = []string{"015-5550102", "+31 15 555 0101", "(020) 5550104", "0031205550106"}
	mailWords   = []string{"info@bakker.example", "crediteuren+nl@zee.example", "o'brien@foods.example", "facturen@dewit.example"}
	ibanWords   = []string{"NL02ABNA0123456789", "BE71096123456769", "DE02120300000000202051", "NL91 ABNA 0417 1643 00"}
	landWords   = []string{"Nederland", "België", "Duitsland", "Frankrijk", "Côte d'Ivoire"}
	webWords    = []string{"www.bakker.example", "https://zee.example/é?x=1&y=%20"}
	userWords   = []string{"INES", "J.HEIDE", "API", "renée", "SYSTEEM"}
	plainWords  = []string{"A", "007", "N/A", "B2B", "x", "€", "12.50", "true", "null", "é-1", "0", "K&K", "50%", "{^2024-01-01}"}
	lineWords   = []string{
		"Advies", "Factuur 20250012", "Korting 12,5 %", "Zie bijlage.", "Onderhoud per maand – €", "Vervoer & opslag",
		"naïef café", "Hij zei \"ja\" \\ en tekende", "<p>Voorwaarden &amp; prijzen</p>", "spaties  midden", " begint met een spatie",
	}
	memoWords = []string{
		"Levering volgens afspraak\n", "Regel een\r\nregel twee\r\n", "Eén regel zonder einde", "Tab\tdaar\n\n",
		"Betalen binnen 30 dagen.\nDaarna € 40 kosten.\n", "[{\"is\": \"geen JSON\"}]",
	}
	unitWords = []string{"stuk", "uur", "m²", "kg", "doos"}
	fakeWords = []string{"fake-8f1c0d27", "fake-77ab93e1", "fake-0b5d3c19"} // stand for secrets
)

func pick(words []string, h uint64) string { return words[rows.Mix(h, 9)%uint64(len(words))] }

// labels are Dutch names of columns, for the dictionary (CLIENT omni: FLD_DESC
// is a Dutch label). A column without one is called by its name.
var labels = map[string]string{
	"CNG_DATE": "Wijzigingsdatum", "CNG_NR": "Wijzigingsnummer", "CNG_USR": "Gewijzigd door", "INP_DATE": "Invoerdatum",
	"INP_USR": "Ingevoerd door", "REC_ID": "Unieke code", "SUB_NR": "Debiteur/crediteur", "ACCT_NR": "Grootboekrekening",
	"ACCT_NAME": "Naam", "COST_CODE": "Kostenplaatscode", "VAT_CODE": "Btw-code", "TRN_DATE": "Boekingsdatum", "AMOUNT": "Bedrag",
	"PAGE_NR": "Dagboekpagina", "DJ_CODE": "Dagboek", "ART_CODE": "Artikelcode", "PROJ_CODE": "Project", "INV_NR": "Factuurnummer",
	"L5_BRANCH": "Branche", "L5_VIP": "Van de directie?", "U_SCORE": "Score (€)",
}
