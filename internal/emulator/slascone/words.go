package slascone

// words are the texts of members, by the name of the member. They hold what
// trips careless readers: quotes, backslashes, line ends, letters outside ASCII
// and outside the BMP, texts that look like numbers or null.
var words = map[string][]string{
	"company_name": {
		"Acme GmbH", "Müller & Söhne GmbH", "株式会社サンプル", "O'Brien \"Quality\" Tools", "Łódź Automatyka Sp. z o.o.",
		"Ærø Skibsværft A/S", "Rocket 🚀 Engineering", "Fabrikam, Inc.", "Acme \\ Roadrunner", "Société d'Études",
	},
	"name":              {"Ines", "Jörg", "Zoë", "Aoife", "明", "Søren", "Chloé", "Marta", "Omar", "Priya"},
	"surname":           {"Vos", "Müller", "O'Neil", "Ní Bhriain", "佐藤", "Ångström", "Dupont", "Kowalska", "Haddad", "Rao"},
	"street":            {"Main 1", "Hauptstraße 4b", "12 Rue de l'Église", "ul. Piękna 7/3", "Store Kongensgade 59", "350 5th Ave, Fl 21"},
	"city":              {"Cologne", "München", "Lyon", "Łódź", "København", "東京", "São Paulo"},
	"postalcode":        {"50667", "80331", "69001", "90-001", "1264", "01067", "100-0001"},
	"country":           {"Germany", "Germany", "France", "Poland", "Denmark", "Japan", "Brazil"},
	"phone":             {"+49 221 5550 101", "(512) 555-0103", "+33 4 72 55 01 04", "555.0105", "0221/5550-106 ext. 7"},
	"language":          {"en", "de", "fr", "pt-BR"},
	"email":             {"it@acme.example", "einkauf+lizenz@mueller.example", "o'brien@tools.example", "ops@rocket.example"},
	"subject":           {"Your license", "Lizenz läuft ab: {0}", "[Action needed] token < 10 %"},
	"body":              {"<html><body>\n<p>Dear {name},</p>\n<p>5 &lt; 6 &amp; \"ok\"</p></body></html>", "<p>Grüße 👋</p>", "plain\ttext\r\n"},
	"description":       {"Standard", "Line one\nLine two", "He said \"yes\" \\ and signed", "naïve café – “quoted”", "null", "0", " leading and trailing ", "separator\u2028inside", "emoji 👍🏽 ok"},
	"comment":           {"changed in the portal", "Import", "via API"},
	"value":             {"42", "true", "EU-West", "", "12,5 %"},
	"caption":           {"Gold", "Silver", "Bronze", "Ünïcode"},
	"client_id":         {"PC-17", "srv-münchen-01", "9f86d081884c7d65", "a1:b2:c3:d4:e5:f6"},
	"device_name":       {"PC-17", "Workstation of Jörg", "vm-004"},
	"version":           {"3.1.0", "3.0.12", "2026.1", "2.9.9-rc.1", "1.0"},
	"os":                {"Windows 11 Enterprise", "Ubuntu 24.04.1 LTS", "macOS 15.2", "Debian GNU/Linux 12"},
	"ip_address":        {"203.0.113.7", "198.51.100.23", "2001:db8::7"},
	"group_id":          {"plant-1", "build"},
	"external_id":       {"job-77", "batch/2026/04", "7"},
	"purpose":           {"Invitation", "PasswordReset"},
	"uri":               {"https://files.example/logo/7.png", "https://files.example/a%20b.svg?x=1&y=2"},
	"download_link":     {"https://download.example/setup-3.1.0.exe", "https://download.example/a b"},
	"prospect_number":   {"P-001", "0042", "Interessent 7"},
	"license_file_name": {"license.xml", "Lizenz ä.lic"},
	"user_id":           {"user0@acme.example", "CORP\\user1", "jörg"},
	"user":              {"sync", "j.lee@vendor.example", "AdminKey 1", "5c1c3c52-portal"},
}

// pools are the members that share the words of another name.
var pools = map[string]string{
	"customer_email": "email", "reseller_email": "email", "user_email": "email", "receivers": "email", "ccs": "email",
	"mobile": "phone", "zip": "postalcode", "device_description": "description", "short_description": "description",
	"feature_description": "description", "limitation_description": "description", "variable_description": "description",
	"license_description": "description", "client_description": "description", "client_name": "device_name",
	"software_version": "version", "software_release": "version", "prioritized_software_release": "version", "version_number": "version",
	"operating_system": "os", "last_modified_by": "user", "customer_name": "company_name",
}

// namesOf are the names that rows of the editor have, by kind.
var namesOf = map[kind][]string{
	product:          {"CAD", "Simulator", "Viewer", "Gateway", "Cloud Sync", "Prüfstand"},
	template:         {"Standard", "Professional", "Enterprise"},
	customerType:     {"Enterprise", "Education", "Öffentliche Hand", "Internal"},
	licenseType:      {"Commercial", "Trial", "NFR", "Academic", "Internal"},
	resellerType:     {"Distributor", "Partner", "OEM"},
	reseller:         {"Nordlicht IT", "Casa do Software", "Re\"sell\"er", "東方販売"},
	customList:       {"Regions", "Modules", "Levels", "Sprachen"},
	userMail:         {"Invitation", "Password reset", "Welcome"},
	feature:          {"Export", "Import", "3D", "Batch", "API", "Reporting"},
	limitation:       {"Projects", "API calls", "Documents", "Credits"},
	variable:         {"region", "server_url", "max size"},
	constrained:      {"level", "modules"},
	analyticalField:  {"cpu_cores", "render_mode", "is_remote"},
	usageFeature:     {"open_file", "save_file", "render"},
	usageModule:      {"editor", "viewer"},
	shipmentProperty: {"checksum", "channel"},
	mail:             {"License delivery", "Expiry notice", "Renewal"},
	group:            {"Planung", "QA"},
}
