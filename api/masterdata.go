package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

// Master data comes in the header of a document. It is no event: this node keeps
// it, the ledger does not, and the last word of a thing counts.

// maxMasterElement bounds what is kept of one thing.
const maxMasterElement = 64 << 10

// vocabulary is master data of things of one type (EPCIS 2.0, 10.4).
type vocabulary struct {
	Type     string            `json:"type"`
	Elements []json.RawMessage `json:"vocabularyElementList"`
}

// MasterData is a page of master data, by type and identifier.
type MasterData struct {
	Vocabularies  []vocabulary `json:"vocabularyList"`
	NextPageToken string       `json:"nextPageToken,omitempty"`
}

// masterDataOf finds the master data in the header of a JSON document.
func masterDataOf(body []byte) json.RawMessage {
	if !bytes.Contains(body, []byte("epcisMasterData")) { // few documents have any
		return nil
	}
	var document struct {
		Header struct {
			MasterData json.RawMessage `json:"epcisMasterData"`
		} `json:"epcisHeader"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\uFEFF")), &document); err != nil {
		return nil // a list of events, or no header: what is wrong is told by who reads the events
	}
	return document.Header.MasterData
}

// elementsOf cuts master data into what it says of each thing.
func elementsOf(raw json.RawMessage) (out []*local.Element, err error) {
	if raw == nil {
		return nil, nil
	}
	bad := func(detail string) error {
		return &schemas.Fault{Code: schemas.BadDocument, Pointer: "/epcisHeader/epcisMasterData", Detail: detail}
	}
	var all MasterData
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, bad("master data is {vocabularyList: [{type, vocabularyElementList: [{id, attributes, children}]}]}")
	}
	for _, v := range all.Vocabularies {
		for _, e := range v.Elements {
			var named struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal(e, &named); err != nil || !printable(v.Type) || !printable(named.ID) || v.Type == "" || named.ID == "" ||
				len(v.Type) > schemas.MaxIdentifier || len(named.ID) > schemas.MaxIdentifier {
				return nil, bad("a vocabulary needs a type, and each of its elements an id")
			}
			text, err := schemas.Compact(nil, e)
			if err != nil {
				return nil, bad("an element is no JSON that can be kept")
			}
			if len(text) > maxMasterElement {
				return nil, &schemas.Fault{Code: schemas.TooLarge, Pointer: "/epcisHeader/epcisMasterData", Detail: "more than 64 KiB about " + clip(named.ID)}
			}
			out = append(out, &local.Element{Type: v.Type, ID: elementID(named.ID), Element: text})
		}
	}
	return out, nil
}

// elementID is an identifier in its one form, or whatever else names a thing.
func elementID(id string) string {
	if c, _, err := schemas.Canonical(id); err == nil {
		return c
	}
	return id
}

// putMasterData keeps the master data of a job that has recorded what it could.
func putMasterData(j *local.Job) (changes []local.Change, err error) {
	if j.MasterData == nil || j.Behaviour == rollback && len(j.Errors) > 0 {
		return nil, nil
	}
	elements, err := elementsOf(j.MasterData)
	if err != nil {
		return nil, err
	}
	for _, e := range elements {
		e.Job, e.Time = j.ID, time.Now().UTC()
		put, err := local.PutElement(e)
		if err != nil {
			return nil, err
		}
		changes = append(changes, put)
	}
	return changes, nil
}

// getMasterData answers master data page by page, of a type or of one thing.
func (g *Gateway) getMasterData(w http.ResponseWriter, r *http.Request) {
	q, limit, err := paging(r, "type", "id")
	var after *local.Element
	if text, ok := q["nextPageToken"]; ok && err == nil {
		b, bad := base64.RawURLEncoding.DecodeString(text)
		kind, id, found := strings.Cut(string(b), "\x00")
		if bad != nil || !found {
			err = fault(schemas.BadParameter, "nextPageToken is not one of this list")
		}
		after = &local.Element{Type: kind, ID: id}
	}
	var list []*local.Element
	var more bool
	if err == nil {
		list, more, err = g.local.Elements(q["type"], elementID(q["id"]), after, limit, pageBytes)
	}
	bytes := 0
	for _, e := range list {
		bytes += len(e.Element)
	}
	if err == nil {
		err = stateOf(r).read.grow(answerWeight * int64(bytes))
	}
	if err != nil {
		g.fail(w, r, err)
		return
	}
	out := MasterData{Vocabularies: []vocabulary{}}
	if more {
		last := list[len(list)-1]
		out.NextPageToken = base64.RawURLEncoding.EncodeToString([]byte(last.Type + "\x00" + last.ID))
		linkNext(w, r, out.NextPageToken)
	}
	for _, e := range list {
		if n := len(out.Vocabularies); n == 0 || out.Vocabularies[n-1].Type != e.Type {
			out.Vocabularies = append(out.Vocabularies, vocabulary{Type: e.Type})
		}
		v := &out.Vocabularies[len(out.Vocabularies)-1]
		v.Elements = append(v.Elements, e.Element)
	}
	g.writeJSON(w, r, http.StatusOK, out)
}
