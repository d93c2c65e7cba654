package epcisxml

// Results are those of a query, for an EPCISQueryDocument.
type Results struct {
	QueryName      string
	SubscriptionID string   // "" for none
	Created        string   // a time
	Events         [][]byte // as JSON, each with its own @context
}

// AppendResults writes an EPCISQueryDocument to out.
func AppendResults(out []byte, r Results, form Form) ([]byte, error) {
	space, version := "urn:epcglobal:epcis-query:xsd:2", "2.0"
	if form.Old {
		space, version = "urn:epcglobal:epcis-query:xsd:1", "1.2"
	}
	out = append(out, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<epcisq:EPCISQueryDocument`...)
	out = appendAttribute(out, "xmlns:epcisq", space)
	out = appendAttribute(out, "schemaVersion", version)
	out = appendAttribute(out, "creationDate", r.Created)
	out = append(out, `><EPCISBody><epcisq:QueryResults><queryName>`...)
	out = append(appendText(out, r.QueryName), `</queryName>`...)
	if r.SubscriptionID != "" {
		out = append(out, `<subscriptionID>`...)
		out = append(appendText(out, r.SubscriptionID), `</subscriptionID>`...)
	}
	out = append(out, `<resultsBody>`...)
	out, err := appendList(out, r.Events, form)
	if err != nil {
		return nil, err
	}
	return append(out, "</resultsBody></epcisq:QueryResults></EPCISBody></epcisq:EPCISQueryDocument>\n"...), nil
}

// AppendDocument writes an EPCISDocument of events, as JSON, to out.
func AppendDocument(out []byte, created string, events [][]byte, form Form) ([]byte, error) {
	space, version := "urn:epcglobal:epcis:xsd:2", "2.0"
	if form.Old {
		space, version = "urn:epcglobal:epcis:xsd:1", "1.2"
	}
	out = append(out, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<epcis:EPCISDocument`...)
	out = appendAttribute(out, "xmlns:epcis", space)
	out = appendAttribute(out, "schemaVersion", version)
	out = appendAttribute(out, "creationDate", created)
	out = append(out, `><EPCISBody>`...)
	out, err := appendList(out, events, form)
	if err != nil {
		return nil, err
	}
	return append(out, "</EPCISBody></epcis:EPCISDocument>\n"...), nil
}

// appendList writes an EventList.
func appendList(out []byte, events [][]byte, form Form) (_ []byte, err error) {
	out = append(out, `<EventList>`...)
	for _, e := range events {
		if out, err = AppendEvent(out, e, form); err != nil {
			return nil, err
		}
	}
	return append(out, `</EventList>`...), nil
}
