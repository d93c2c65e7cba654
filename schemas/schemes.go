package schemas

// Scheme says what kind of thing an identifier names.
type Scheme uint8

// Schemes. A private URI is any URI that is no GS1 identifier; of the GS1
// identifiers, those of OtherGS1 have no Digital Link and stay URNs.
const (
	PrivateURI Scheme = iota
	SGTIN
	SSCC
	SGLN
	PGLN
	GRAI
	GIAI
	GTIN  // class: all instances of a trade item
	LGTIN // class: a lot
	OtherGS1
	GRAIClass // class: all assets of one returnable type
	GSRN
	GSRNP
	GDTI
	GDTIClass // class: all documents of one type
	CPI
	CPIClass // class: all components and parts of one kind
	GCN
	GCNClass // class: all coupons of one offer
	GINC
	GSIN
	ITIP
	ITIPClass // class: all instances of one piece of a trade item
	ITIPLot   // class: of these, a lot
	UPUI
	GMN
	PayTo
)

var schemeNames = [...]string{"private", "sgtin", "sscc", "sgln", "pgln", "grai", "giai", "gtin", "lgtin", "gs1", "graiclass", "gsrn",
	"gsrnp", "gdti", "gdticlass", "cpi", "cpiclass", "gcn", "gcnclass", "ginc", "gsin", "itip", "itipclass", "itiplot", "upui", "gmn", "payto"}

// String returns the scheme's name in lower case.
func (s Scheme) String() string {
	if int(s) < len(schemeNames) {
		return schemeNames[s]
	}
	return "unknown"
}

// Class reports whether the scheme names a class or lot rather than an instance.
func (s Scheme) Class() bool {
	switch s {
	case GTIN, LGTIN, GRAIClass, GDTIClass, CPIClass, GCNClass, ITIPClass, ITIPLot:
		return true
	}
	return false
}

// Lengths of the parts of GS1 keys (GS1 General Specifications, section 3; EPC
// Tag Data Standard, section 6.3).
const (
	minPrefix = 6 // digits of a company prefix in EPC URNs
	maxPrefix = 12
	minAsset  = 4 // digits with which a key in text begins: the shortest company prefix
	gtinSize  = 14
	glnSize   = 13

	maxSerial  = 20 // AI 21, 10, 22 and 254
	maxTPX     = 28 // AI 235
	maxText30  = 30 // AIs 401, 8004 and 8010
	maxNumeric = 12 // AI 8011, and the serial number of AI 255
)

// alphabet is a set of characters that a value may have (GS1 General
// Specifications, 7.11).
type alphabet uint8

const (
	set82 alphabet = iota // figure 7.11-1
	set39                 // figure 7.11-2: capital letters, digits, # - /
	setDigits
)

func (a alphabet) has(c byte) bool {
	switch a {
	case setDigits:
		return isDigit(c)
	case set39:
		return isDigit(c) || 'A' <= c && c <= 'Z' || c == '#' || c == '-' || c == '/'
	}
	return isLetter(c) || '%' <= c && c <= '?' || c == '!' || c == '"' || c == '_'
}

// gs1Key is a primary key of GS1 Digital Link (GS1 Digital Link Standard: URI
// Syntax, 4.3; GS1 General Specifications, section 3). Its value is digits, the
// last of them a check digit, then pieces, then a tail; or, without digits, all
// tail.
type gs1Key struct {
	ai, name   string // application identifier, and its alphabetic name
	digits     int
	lead       bool // the first digit comes before the company prefix; EPC URNs have it behind
	zero       bool // the first digit is a zero that EPC URNs leave out
	pieces     int  // digits behind the check digit
	tail       alphabet
	most       int    // characters of the tail
	alone      Scheme // what the key names without tail and qualifiers; PrivateURI: nothing
	tailed     Scheme // and with a tail
	qualifiers []qualifier
}

// qualifier is a key qualifier. Those of one key go in the order of their list.
type qualifier struct {
	ai, name string
	set      alphabet
	least    int // characters, if more than one
	most     int
	scheme   Scheme // what key and qualifier name; PrivateURI: it is no part of the name
	apart    bool   // none may come before it
	number   bool   // without zeros in front
}

// append appends the qualifier's value, which is given unescaped.
func (q *qualifier) append(dst []byte, value string) ([]byte, flaw) {
	if len(value) < q.least || q.number && len(value) > 1 && value[0] == '0' {
		return dst, badSerial
	}
	return appendSerial(dst, value, q.set, q.most)
}

// pathOnly reports whether an application identifier is a qualifier that is no
// attribute of any other key.
func pathOnly(ai string) bool {
	switch ai {
	case "21", "22", "235", "254", "7040", "8011", "8019", "8020":
		return true
	}
	return false
}

// variants of a trade item and the relation instances and units of others are no
// part of the canonical form (CBV 2.0, 8.9.1, rule 18).
var (
	cpv  = qualifier{ai: "22", name: "cpv", most: maxSerial}
	srin = qualifier{ai: "8019", name: "srin", set: setDigits, most: 10}
	uic  = qualifier{ai: "7040", least: 4, most: 4, apart: true}
)

// keys is only read.
var keys = [...]gs1Key{
	{ai: "00", name: "sscc", digits: 18, lead: true, alone: SSCC},
	{ai: "01", name: "gtin", digits: gtinSize, lead: true, alone: GTIN, qualifiers: []qualifier{cpv,
		{ai: "10", name: "lot", most: maxSerial, scheme: LGTIN}, {ai: "21", name: "ser", most: maxSerial, scheme: SGTIN},
		{ai: "235", most: maxTPX, scheme: UPUI, apart: true}}},
	{ai: "253", name: "gdti", digits: 13, most: 17, alone: GDTIClass, tailed: GDTI},
	{ai: "255", name: "gcn", digits: 13, tail: setDigits, most: maxNumeric, alone: GCNClass, tailed: GCN},
	{ai: "401", name: "ginc", most: maxText30, tailed: GINC},
	{ai: "402", name: "gsin", digits: 17, alone: GSIN},
	{ai: "414", name: "gln", digits: glnSize, alone: SGLN, qualifiers: []qualifier{
		{ai: "254", name: "glnx", most: maxSerial, scheme: SGLN}, uic}},
	{ai: "415", name: "payTo", digits: glnSize, alone: PayTo, qualifiers: []qualifier{{ai: "8020", name: "refno", most: 25, scheme: PayTo}}},
	{ai: "417", name: "party", digits: glnSize, alone: PGLN, qualifiers: []qualifier{uic}},
	{ai: "8003", name: "grai", digits: 14, zero: true, most: 16, alone: GRAIClass, tailed: GRAI},
	{ai: "8004", name: "giai", most: maxText30, tailed: GIAI, qualifiers: []qualifier{uic}},
	{ai: "8006", name: "itip", digits: gtinSize, lead: true, pieces: 4, alone: ITIPClass, qualifiers: []qualifier{cpv,
		{ai: "10", name: "lot", most: maxSerial, scheme: ITIPLot}, {ai: "21", name: "ser", most: maxSerial, scheme: ITIP}}},
	{ai: "8010", name: "cpid", tail: set39, most: maxText30, tailed: CPIClass, qualifiers: []qualifier{
		{ai: "8011", name: "cpsn", set: setDigits, most: maxNumeric, number: true, scheme: CPI}}},
	{ai: "8013", name: "gmn", most: 25, tailed: GMN},
	{ai: "8017", name: "gsrnp", digits: 18, alone: GSRNP, qualifiers: []qualifier{srin}},
	{ai: "8018", name: "gsrn", digits: 18, alone: GSRN, qualifiers: []qualifier{srin}},
}

// epcScheme is an EPC URN that has a Digital Link (EPC Tag Data Standard, section
// 6.3): what of the key and the qualifier it writes behind the company prefix.
type epcScheme struct {
	kind, name string // urn:epc:kind:name:
	scheme     Scheme
	ai         string // of the key
	by         string // of the qualifier that is its last part; "" for none
	pattern    bool   // the last part is a star
}

// epcSchemes is only read. A scheme is written by its first row.
var epcSchemes = [...]epcScheme{
	{kind: "id", name: "sgtin", scheme: SGTIN, ai: "01", by: "21"},
	{kind: "id", name: "sscc", scheme: SSCC, ai: "00"},
	{kind: "id", name: "sgln", scheme: SGLN, ai: "414", by: "254"},
	{kind: "id", name: "pgln", scheme: PGLN, ai: "417"},
	{kind: "id", name: "grai", scheme: GRAI, ai: "8003"},
	{kind: "id", name: "giai", scheme: GIAI, ai: "8004"},
	{kind: "id", name: "gsrn", scheme: GSRN, ai: "8018"},
	{kind: "id", name: "gsrnp", scheme: GSRNP, ai: "8017"},
	{kind: "id", name: "gdti", scheme: GDTI, ai: "253"},
	{kind: "id", name: "cpi", scheme: CPI, ai: "8010", by: "8011"},
	{kind: "id", name: "sgcn", scheme: GCN, ai: "255"},
	{kind: "id", name: "ginc", scheme: GINC, ai: "401"},
	{kind: "id", name: "gsin", scheme: GSIN, ai: "402"},
	{kind: "id", name: "itip", scheme: ITIP, ai: "8006", by: "21"},
	{kind: "id", name: "upui", scheme: UPUI, ai: "01", by: "235"},
	{kind: "class", name: "lgtin", scheme: LGTIN, ai: "01", by: "10"},
	{kind: "idpat", name: "sgtin", scheme: GTIN, ai: "01", pattern: true},
	{kind: "idpat", name: "grai", scheme: GRAIClass, ai: "8003", pattern: true},
	{kind: "idpat", name: "gdti", scheme: GDTIClass, ai: "253", pattern: true},
	{kind: "idpat", name: "cpi", scheme: CPIClass, ai: "8010", pattern: true},
	{kind: "idpat", name: "sgcn", scheme: GCNClass, ai: "255", pattern: true},
	{kind: "idpat", name: "itip", scheme: ITIPClass, ai: "8006", pattern: true},
	{kind: "idpat", name: "upui", scheme: GTIN, ai: "01", pattern: true},
}

// Ways into the tables, only read.
var (
	keysByName = func() map[string]*gs1Key {
		m := map[string]*gs1Key{}
		for i := range keys {
			m[keys[i].ai], m[keys[i].name] = &keys[i], &keys[i]
		}
		return m
	}()
	epcsByName = func() map[string]*epcScheme {
		m := map[string]*epcScheme{}
		for i := range epcSchemes {
			m[epcSchemes[i].kind+":"+epcSchemes[i].name] = &epcSchemes[i]
		}
		return m
	}()
)

// keyOf returns the primary key of an application identifier, written in digits
// or as its alphabetic name, or nil.
func keyOf(name string) *gs1Key { return keysByName[name] }

// qualifier returns the key's qualifier of that application identifier or name,
// and where in their order it stands, from 1; 0 where it has none such.
func (k *gs1Key) qualifier(name string) (q *qualifier, place int) {
	for i := range k.qualifiers {
		if q = &k.qualifiers[i]; name == q.ai || name == q.name && name != "" {
			return q, i + 1
		}
	}
	return nil, 0
}
