package data

import (
	"fmt"
	"time"

	"github.com/tap-backoffice/tap-backoffice/internal/edm"
)

// divisionSets list the companies themselves.
var divisionSets = map[string]bool{
	"system_divisions": true, "system_all_divisions": true, "hrm_divisions": true, "system_get_most_recently_used_divisions": true,
}

// specialMaker makes the properties that have a meaning to a client; nil for
// all others.
func specialMaker(in *info, c *column) maker {
	switch {
	case in.set.Name == "current_me":
		if m := meMakers[c.name]; m != nil {
			return m
		}
	case divisionSets[in.set.Name]:
		if m := divisionMakers[c.name]; m != nil {
			return divisionMaker(m, c.kind)
		}
	case in.table == deletions:
		if m := deletedMakers[c.name]; m != nil {
			return m
		}
	case in.set.Name == "system_users" || in.set.Name == "users_users":
		if m := userMakers[c.name]; m != nil {
			return func(x *cell) value { return m(&users[x.index%int64(len(users))]) }
		}
	}
	if m, ok := mixed[in.table]; ok {
		switch c.name {
		case m.link:
			return func(x *cell) value { return identOf(x.t.rows[x.index-int64(x.row.line)].id) }
		case "LineNumber":
			return func(x *cell) value { return integerOf(int64(x.row.line)) }
		case m.number:
			return func(x *cell) value { return integerOf(24_700_001 + int64(x.row.document)) }
		}
	}
	switch {
	case c.name == "Timestamp":
		return func(x *cell) value { return longOf(x.row.version) }
	case c.name == "Modified" && c.kind == edm.DateTime:
		return func(x *cell) value { return momentOf(x.row.modified) }
	case c.name == "Created" && c.kind == edm.DateTime:
		return func(x *cell) value { return momentOf(x.row.created) }
	case c.name == "Division" && (c.kind == edm.Int32 || c.kind == edm.Int16):
		return func(x *cell) value { return integerOf(int64(x.c.code)) }
	case c.name == "Creator" || c.name == "CreatorFullName":
		return userMaker(c, 3)
	case c.name == "Modifier" || c.name == "ModifierFullName":
		return userMaker(c, 5)
	case c.name == "LineType" && in.table == "sync_cashflow_payment_terms":
		// Payments are 22, receipts 20 (DOC).
		return func(x *cell) value { return integerOf([2]int64{22, 20}[x.row.part(2)]) }
	case c.name == "Type" && in.table == "sync_project_project_wbs":
		return func(x *cell) value { return numberOf(c.kind, 1+int64(x.row.part(3))) }
	}
	return nil
}

// userMaker takes the same user for a GUID and the name next to it.
func userMaker(c *column, salt int) maker {
	return func(x *cell) value {
		u := &users[(int(x.row.id[8])+salt*int(x.row.id[9])+int(x.row.edits))%len(users)]
		if c.kind == edm.Guid {
			return identOf(u.id)
		}
		return textOf(u.full())
	}
}

// keyMaker makes key properties: unique in their set, whatever their type.
func keyMaker(in *info, c *column) maker {
	name, kind := c.name, c.kind
	switch {
	case divisionSets[in.set.Name] || in.set.Name == "system_users" || in.set.Name == "users_users" || in.set.Name == "current_me":
		return c.make
	case name == "Division":
		return func(x *cell) value { return numberOf(kind, int64(x.c.code)) }
	case name == "ReportingYear":
		return func(x *cell) value { return numberOf(kind, int64(x.s.start.Year())) }
	case name == "CurrentYear":
		return func(x *cell) value { return numberOf(kind, int64(x.s.start.Year())-x.index) }
	case name == "Period":
		return func(x *cell) value { return numberOf(kind, 1+x.index%12) }
	case name == "Year":
		return func(x *cell) value { return numberOf(kind, int64(x.s.start.Year())-x.index/12%2) }
	case name == "Journal":
		return func(x *cell) value { return textOf(fmt.Sprintf("%02d", 10*(1+x.index/24))) }
	case kind == edm.Guid:
		return func(x *cell) value { return identOf(x.row.id) }
	case kind == edm.String && name == "PropertyName":
		return func(x *cell) value { return textOf(fmt.Sprintf("CustomField%02d", x.index+1)) }
	case kind == edm.String:
		return func(x *cell) value {
			k, n := x.index, int64(len(currencies))
			if k < n {
				return textOf(currencies[k])
			}
			return textOf(fmt.Sprintf("X%02d", k-n))
		}
	}
	return func(x *cell) value { return numberOf(kind, x.index+1) }
}

func nobody(*cell) value { return value{} }

// meMakers are those of current/Me, the only set that tells the server's time.
var meMakers = map[string]maker{
	"UserID":               func(*cell) value { return identOf(users[0].id) },
	"CurrentDivision":      func(x *cell) value { return integerOf(int64(x.s.Divisions()[0].Code)) },
	"AccountingDivision":   func(x *cell) value { return integerOf(int64(x.s.Divisions()[0].Code)) },
	"DossierDivision":      nobody,
	"EmployeeID":           func(*cell) value { return identOf(guid{}) }, // REC: can be the zero GUID
	"FirstName":            func(*cell) value { return textOf(users[0].first) },
	"LastName":             func(*cell) value { return textOf(users[0].last) },
	"MiddleName":           func(*cell) value { return textOf("") },
	"FullName":             func(*cell) value { return textOf(users[0].full()) },
	"UserName":             func(*cell) value { return textOf(users[0].email) },
	"Email":                func(*cell) value { return textOf(users[0].email) },
	"LanguageCode":         func(*cell) value { return textOf("nl-NL") },
	"Language":             func(*cell) value { return textOf("NL        ") },
	"Legislation":          func(*cell) value { return longOf(1) },
	"DivisionCustomerName": func(x *cell) value { return textOf(x.s.Divisions()[0].CustomerName) },
	// A plain text, unlike every other time of the service (REC).
	"ServerTime": func(x *cell) value {
		return textOf(time.UnixMilli(x.s.now()).UTC().Format("2006-01-02T15:04:05"))
	},
	"ServerUtcOffset": func(x *cell) value {
		ms := x.s.opts.Now().UnixMilli()
		return floatOf(float64((wall(ms) - ms) / second))
	},
}

var userMakers = map[string]func(u *user) value{
	"UserID":     func(u *user) value { return identOf(u.id) },
	"FirstName":  func(u *user) value { return textOf(u.first) },
	"MiddleName": func(u *user) value { return textOf(u.middle) },
	"LastName":   func(u *user) value { return textOf(u.last) },
	"FullName":   func(u *user) value { return textOf(u.full()) },
	"Email":      func(u *user) value { return textOf(u.email) },
	"UserName":   func(u *user) value { return textOf(u.email) },
}

var deletedMakers = map[string]maker{
	"DeletedBy":   func(x *cell) value { return identOf(x.c.tombs[x.index].by) },
	"DeletedDate": func(x *cell) value { return momentOf(x.row.modified) },
	"EntityKey":   func(x *cell) value { return identOf(x.c.tombs[x.index].key) },
	"EntityType":  func(x *cell) value { return integerOf(int64(x.c.tombs[x.index].entity)) },
}

// divisionMaker hands over a copy of the division: it may be moved meanwhile.
func divisionMaker(of func(d *Division, kind edm.Type) value, kind edm.Type) maker {
	return func(x *cell) value {
		d := x.s.Divisions()[x.index]
		return of(&d, kind)
	}
}

func instantOf(at time.Time) value {
	if at.IsZero() {
		return value{}
	}
	return momentOf(wall(at.UnixMilli()))
}

var divisionMakers = map[string]func(d *Division, kind edm.Type) value{
	"Code":                     func(d *Division, k edm.Type) value { return numberOf(k, int64(d.Code)) },
	"Description":              func(d *Division, _ edm.Type) value { return textOf(d.Name) },
	"Status":                   func(d *Division, k edm.Type) value { return numberOf(k, int64(d.Status)) },
	"BlockingStatus":           func(d *Division, k edm.Type) value { return numberOf(k, int64(d.BlockingStatus)) },
	"CustomerName":             func(d *Division, _ edm.Type) value { return textOf(d.CustomerName) },
	"Country":                  func(d *Division, _ edm.Type) value { return textOf(d.Country) },
	"Currency":                 func(*Division, edm.Type) value { return textOf("EUR") },
	"Legislation":              func(d *Division, _ edm.Type) value { return textOf(d.Legislation) },
	"Hid":                      func(d *Division, k edm.Type) value { return numberOf(k, d.HID) },
	"HID":                      func(d *Division, k edm.Type) value { return numberOf(k, d.HID) },
	"Current":                  func(d *Division, _ edm.Type) value { return truthOf(d.HID == 1) },
	"IsMainDivision":           func(d *Division, _ edm.Type) value { return truthOf(d.HID == 1) },
	"Main":                     func(d *Division, _ edm.Type) value { return truthOf(d.HID == 1) },
	"DivisionMoveDate":         func(d *Division, _ edm.Type) value { return instantOf(d.MoveDate) },
	"DivisionHRLinkUnlinkDate": func(d *Division, _ edm.Type) value { return instantOf(d.HRLinkDate) },
	"ArchiveDate": func(d *Division, _ edm.Type) value {
		if d.Status != 2 {
			return value{}
		}
		return instantOf(d.MoveDate.Truncate(24 * time.Hour).Add(-2 * time.Hour))
	},
}
