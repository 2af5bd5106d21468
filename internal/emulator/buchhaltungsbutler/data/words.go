package data

// The words hold what trips careless readers: quotes, backslashes, line ends,
// commas in names, letters outside ASCII and outside the BMP. Texts are German
// (CLIENT).
var (
	companies = []string{
		"Papierhaus Nord", "Stadtwerke Müritz", "Meier, Schulz & Partner", "Bäckerei Größmann", "O'Neil \"Quality\" Foods",
		"Łódź Logistyka Sp. z o.o.", "Café Renée", "Rocket 🚀 Ventures", "Fabrikam AG", "Straßenbau Höß GmbH & Co. KG",
		"Acme \\ Söhne", "株式会社サンプル", "Telekommunikation Süd", "Hotel Zum Bären", "Amt für <Steuern>", "Null GmbH",
	}
	streets   = []string{"Am Markt 1", "Hauptstraße 4b", "Große Bleichen 12", "Kaiser-Wilhelm-Ring 27, 2. OG", ""}
	cities    = []string{"Hamburg", "München", "Köln", "Görlitz", "Zürich", "Sankt Pölten", ""}
	zips      = []string{"20095", "80331", "50667", "02826", "8001", "3100", ""}
	countries = []string{"DE", "DE", "DE", "DE", "CH", "AT", ""}
	contacts  = []string{"", "", "Jörg Müller", "Zoë O'Neil", "Frau Dr. Weiß"}
	emails    = []string{"", "rechnung@muster.example", "buchhaltung+eu@samp.example", "o'neil@foods.example"}
	purposes  = []string{
		"Miete März", "Lohn/Gehalt", "SVWZ+Rechnung 77-120\nDanke", "EREF+NOTPROVIDED MREF+0001", "Kartenzahlung 14:23 \"Tank & Rast\"",
		"Entgelt 12,50 EUR", "Überweisung – Erstattung", "PAYPAL *SHOP 🚀", "0", " null ", "Abschlag\tStrom",
	}
	texts = []string{
		"Papier", "Bürobedarf", "Abschreibung", "Porto", "Erlöse 19 %", "Umbuchung \"Kasse\"", "Kfz-Kosten, Tanken", "Löhne & Gehälter", "Jahresabschluss",
	}
	comments = []string{"", "", "", "geprüft", "Rückfrage bei Hr. Groß", "siehe Beleg"}
	banks    = []struct{ number, code, name string }{
		{"DE02120300000000202051", "BYLADEM1001", ""},
		{"DE02500105170137075030", "INGDDEFF", "ING-DiBa"},
		{"0532013000", "37040044", "Commerzbank Köln"},
		{"CH9300762011623852957", "ZKBKCHZZ80A", ""},
	}
)

func pick[T any](list []T, h uint64) T { return list[h%uint64(len(list))] }
