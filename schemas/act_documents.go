package schemas

// Document is one that goes with a shipment. As a term it says its kind, where the
// document itself is yet to be made, its hash, where it is agreed on beforehand, or both.
type Document struct {
	Kind string `json:"kind,omitempty"`    // what it is, in words or as a URI; "" of one that the hash alone tells
	Hash Hash   `json:"document,omitzero"` // its SHA-256
}

func (d *Document) bind(b *binding) {
	bind(b, 1, "kind", &d.Kind, line(maxName))
	bind(b, 2, "document", &d.Hash, sum)
}

func (d *Document) require(b *binding) {
	d.bind(b)
	b.need("kind", d.Kind != "" || !d.Hash.IsZero())
}

func (d *Document) attach(b *binding) {
	d.bind(b)
	b.need("document", !d.Hash.IsZero())
}

func (d Document) name() string { return string(d.Hash[:]) + d.Kind }

// Meets reports whether an attached document is what a term requires: of the same kind,
// where that says one, and the very document where that says a hash.
func (d Document) Meets(term Document) bool {
	return (term.Kind == "" || term.Kind == d.Kind) && (term.Hash.IsZero() || term.Hash == d.Hash)
}

// AttachDocuments tells the hashes of documents that the terms of a shipment require.
type AttachDocuments struct {
	Shipment  string
	Documents []Document
}

// Name is the act's type.
func (*AttachDocuments) Name() string { return "AttachDocuments" }

// Role is what a key needs to sign it.
func (*AttachDocuments) Role() uint32 { return RoleCapture }

func (a *AttachDocuments) names() int { return 1 + len(a.Documents) }

func (a *AttachDocuments) bind(b *binding) {
	bind(b, 1, "shipment", &a.Shipment, thing)
	bindList(b, 2, "documents", &a.Documents, maxDocuments, object((*Document).attach))
	b.need("shipment", a.Shipment != "")
	b.need("documents", len(a.Documents) > 0)
}

// Attachment is a document that was attached to a shipment, for one that its terms require.
type Attachment struct {
	Term     uint64 // which of them, from 1
	Document Hash
	Partner  string // who attached it
	Time     int64  // of the block, nanoseconds
	At       Locator
}

func (a *Attachment) bind(b *binding) {
	bind(b, 1, "term", &a.Term, whole[uint64](maxDocuments))
	bind(b, 2, "document", &a.Document, sum)
	bind(b, 3, "partner", &a.Partner, shortName)
	bind(b, 4, "time", &a.Time, instant)
	bind(b, 5, "at", &a.At, located)
}

// Attachment is what was attached last for a document that the terms require, by its
// number from 1; nil where nothing was.
func (s *Shipment) Attachment(term int) *Attachment {
	for i := range s.Attached {
		if s.Attached[i].Term == uint64(term) {
			return &s.Attached[i]
		}
	}
	return nil
}

// Attach notes that a document is attached, for every term that it meets, in the place of
// what was before; it reports whether there is one.
func (s *Shipment) Attach(d Document, partner string, time int64, at Locator) (met bool) {
	for i, term := range s.Documents {
		if !d.Meets(term) {
			continue
		}
		a := s.Attachment(i + 1)
		if a == nil {
			s.Attached = append(s.Attached, Attachment{})
			a = &s.Attached[len(s.Attached)-1]
		}
		*a, met = Attachment{Term: uint64(i + 1), Document: d.Hash, Partner: partner, Time: time, At: at}, true
	}
	return met
}

// Complete reports whether all documents are attached that its terms require.
func (s *Shipment) Complete() bool { return len(s.Attached) == len(s.Documents) }
