package proof

// The JSON of a bundle is its binary form written otherwise: every field by its
// name, in the same order. The tables below are all that the two forms know of
// each other, and name what is nested in what.

// form is the fields of a bundle or of what is nested in one.
type form []formField

type formField struct {
	number   uint64
	name     string
	kind     valueKind
	repeated bool
	of       *form // of a nested value
}

// valueKind says how a field's value is written in JSON.
type valueKind uint8

const (
	aNumber    valueKind = iota // decimal digits in a string
	aText                       // as it is
	aBytes                      // hexadecimal digits
	aHashes                     // a list of hexadecimal hashes
	aTime                       // RFC 3339, in UTC, with as many decimals as it has
	aTrail                      // the letter of its kind
	aNest                       // an object
	aValidator                  // object of key and power
	aVote                       // object of index, time and signature
	aMember                     // object of name and value, both text
	aRef                        // object of subject and trail
	aLeaf                       // object of place and leaf
)

func (f *form) field(number uint64) *formField {
	for i := range *f {
		if (*f)[i].number == number {
			return &(*f)[i]
		}
	}
	return nil
}

// Forms of what is nested. They are constants in all but name.
var (
	leafForm   = form{{1, "value", aBytes, false, nil}, {2, "path", aBytes, false, nil}}
	headerForm = form{{1, "height", aNumber, false, nil}, {2, "time", aTime, false, nil}, {3, "next_validators", aBytes, false, nil},
		{4, "app_hash", aBytes, false, nil}, {5, "beside", aHashes, false, nil}}
	commitForm = form{{1, "round", aNumber, false, nil}, {2, "parts", aNumber, false, nil}, {3, "parts_hash", aBytes, false, nil},
		{4, "votes", aVote, true, nil}}
	trailForm   = form{{1, "kind", aTrail, false, nil}, {2, "first", aNumber, false, nil}, {3, "beside", aHashes, false, nil}}
	subjectForm = form{{1, "kind", aNumber, false, nil}, {2, "id", aText, false, nil}, {3, "value", aBytes, false, nil}, {4, "path", aBytes, false, nil},
		{5, "other_path", aBytes, false, nil}, {6, "trails", aNest, true, &trailForm}}
	releaseForm = form{{1, "container", aText, false, nil}, {2, "epoch", aNumber, false, nil}, {3, "leaf", aNest, false, &leafForm}}
	keyForm     = form{{1, "id", aText, false, nil}, {2, "leaf", aNest, false, &leafForm}}
	partnerForm = form{{1, "id", aText, false, nil}, {2, "leaf", aNest, false, &leafForm}, {3, "keys", aNest, true, &keyForm}}
	resultForm  = form{{1, "code", aNumber, false, nil}, {2, "effect", aNumber, false, nil}, {3, "flags", aNumber, true, nil}, {4, "first", aBytes, false, nil}}
	messageForm = form{{1, "index", aNumber, false, nil}, {2, "trails", aRef, true, nil}, {3, "kind", aNumber, false, nil},
		{4, "duplicate_key", aBytes, false, nil}, {5, "result", aNest, false, &resultForm}, {6, "inclusion", aHashes, false, nil},
		{7, "secret", aBytes, false, nil}, {8, "members", aMember, true, nil}, {9, "withheld", aLeaf, true, nil}, {10, "skeleton", aBytes, false, nil},
		{12, "salts", aHashes, false, nil}, {13, "body_root", aBytes, false, nil}, {14, "digest", aBytes, false, nil}}
	transactionForm = form{{1, "height", aNumber, false, nil}, {2, "position", aNumber, false, nil}, {3, "header", aBytes, false, nil},
		{4, "signature", aBytes, false, nil}, {5, "messages", aNest, true, &messageForm}}
	stepForm   = form{{1, "header", aNest, false, &headerForm}, {2, "commit", aNest, false, &commitForm}, {3, "validators", aValidator, true, nil}}
	anchorForm = form{{1, "header", aNest, false, &headerForm}, {2, "validators_hash", aBytes, false, nil}, {3, "index", aNumber, false, nil},
		{4, "inclusion", aHashes, false, nil}}
	cosignatureForm = form{{1, "name", aText, false, nil}, {2, "time", aNumber, false, nil}, {3, "signature", aBytes, false, nil}}
	witnessedForm   = form{{1, "size", aNumber, false, nil}, {2, "index", aNumber, false, nil}, {3, "inclusion", aHashes, false, nil},
		{4, "header", aNest, false, &headerForm}, {5, "validators_hash", aBytes, false, nil}, {6, "cosignatures", aNest, true, &cosignatureForm}, {7, "timestamp", aBytes, false, nil}}
	blockForm = form{{1, "height", aNumber, false, nil}, {2, "time", aTime, false, nil}, {3, "time_path", aHashes, false, nil}, {4, "parts", aNumber, false, nil},
		{5, "parts_hash", aBytes, false, nil}, {6, "next_path", aHashes, false, nil}, {7, "index", aNumber, false, nil}, {8, "inclusion", aHashes, false, nil}}
	rescueForm   = form{{1, "document", aBytes, false, nil}, {2, "path", aBytes, false, nil}}
	handoverForm = form{{1, "leaf", aNest, false, &leafForm}, {2, "dispute", aNest, false, &leafForm}}
	scopeForm    = form{{1, "containers", aNumber, false, nil}, {2, "ancestors", aNumber, false, nil}, {3, "names", aNumber, false, nil}, {4, "times", aNumber, false, nil}, {5, "units", aNumber, false, nil}}
	bundleForm   = form{{fieldVersion, "version", aNumber, false, nil}, {fieldScope, "scope", aNest, false, &scopeForm}, {fieldChain, "chain_id", aText, false, nil},
		{fieldHeader, "header", aNest, false, &headerForm}, {fieldCommit, "commit", aNest, false, &commitForm}, {fieldValidator, "validators", aValidator, true, nil},
		{fieldSubject, "subjects", aNest, true, &subjectForm}, {fieldRelease, "releases", aNest, true, &releaseForm}, {fieldPartner, "partners", aNest, true, &partnerForm},
		{fieldTransaction, "transactions", aNest, true, &transactionForm}, {fieldBalance, "balances", aNest, true, &leafForm}, {fieldStep, "steps", aNest, true, &stepForm},
		{fieldAnchor, "anchor", aNest, false, &anchorForm}, {fieldWitnessed, "witnessed", aNest, true, &witnessedForm}, {fieldAccumulator, "accumulator", aNest, false, &leafForm}, {fieldBlock, "blocks", aNest, true, &blockForm},
		{fieldRescue, "rescues", aNest, true, &rescueForm}, {fieldHandover, "handovers", aNest, true, &handoverForm}, {fieldUnits, "units", aNest, false, &leafForm}}
)
