package rows

// The words of static members. They hold what trips careless readers: quotes,
// backslashes, line ends, letters outside ASCII and outside the BMP.
var vocabulary = map[string][]string{
	"company": {
		"Northwind Labs", "Müller & Söhne GmbH", "Contoso Ltd", "株式会社サンプル", "O'Brien \"Quality\" Foods",
		"Łódź Logistyka Sp. z o.o.", "Ærø Skibsværft A/S", "Café Renée", "Adventure Works", "Rocket 🚀 Ventures",
		"Fabrikam, Inc.", "Δelta Systems", "Tailspin Toys", "Wide World Importers", "Acme \\ Roadrunner", "Société Générique",
	},
	"first":   {"Ines", "Jörg", "Zoë", "Lee", "Aoife", "明", "Søren", "Chloé", "Marta", "Omar", "Priya", "Tom"},
	"last":    {"Vos", "Müller", "O'Neil", "Lee", "Ní Bhriain", "佐藤", "Ångström", "Dupont", "Kowalska", "Haddad", "Rao", "Baker"},
	"street":  {"Kade 12", "Hauptstraße 4b", "1 Main St", "12 Rue de l'Église", "ul. Piękna 7/3", "Store Kongensgade 59", "350 5th Ave, Fl 21"},
	"city":    {"Utrecht", "München", "Austin", "Lyon", "Łódź", "København", "New York", "東京", "São Paulo"},
	"state":   {"UT", "BY", "TX", "ARA", "NY", "", "CA"},
	"zip":     {"3511 AB", "80331", "73301", "69001", "90-001", "1264", "10001", "02134"},
	"country": {"Netherlands", "Germany", "United States", "France", "Poland", "Denmark", "Japan", "Côte d'Ivoire"},
	"phone":   {"+31 30 555 0101", "+49 89 5550 102", "(512) 555-0103", "+33 4 72 55 01 04", "555.0105", "+81-3-5550-0106 ext. 7"},
	"email":   {"ap@northwind.example", "kreditoren@mueller.example", "billing+eu@contoso.example", "o'brien@foods.example", "accounts@samp.example"},
	"url":     {"https://pay.example/i/7", "https://pay.example/i/8?x=1&y=%20", "http://docs.example/a/b#c"},
	"user":    {"jlee", "api", "m.vos", "renée", "ops bot"},
	"word": {
		"EMEA", "Partner", "Enterprise", "A-1", "Ünïcode", "x", "N/A", "Gold & Co", "<b>bold</b>", "50% off", "Q3/2026", "日本",
	},
	"sentence": {
		"Platform fee", "Annual subscription, billed monthly", "See attached order form.", "Line one\nLine two", "Tab\there",
		"He said \"yes\" \\ and signed", "Rabatt für Bestandskunden: 12,5 %", "naïve café – “quoted”", "emoji 👍🏽 ok",
		"separator\u2028inside", "<p>Terms &amp; conditions</p>", "null", "0", " leading and trailing ",
	},
	"code": {"A-100", "sku_7", "0012", "PLN-YR", "x/1", "ÄÖ-1"},
}
