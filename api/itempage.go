package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"time"

	"github.com/waybill-ledger/waybill/api/local"
	"github.com/waybill-ledger/waybill/schemas"
)

//go:embed item.html
var itemHTML string

// itemTemplate escapes all that it is given for where it stands.
var itemTemplate = template.Must(template.New("item").Parse(itemHTML))

// itemPage is a page about an item or class, for people.
type itemPage struct {
	ID          string
	Title       string
	Publisher   Publisher // nobody, where the ledger itself is asked
	Custodian   string
	Disposition string
	Ended       bool
	Events      []pageEvent // newest first when it is shown
	Links       []local.Link
}

// pageEvent is a line of the page's trail.
type pageEvent struct {
	Type, EventTime, BizStep, Disposition string
	Partner                               string
	Recorded                              string
}

func (p *itemPage) heading() string {
	if p.Title != "" {
		return p.Title
	}
	return p.ID
}

// add puts an event behind the others.
func (p *itemPage) add(event json.RawMessage, recorded time.Time, partner string) {
	e := pageEvent{Partner: partner, Recorded: recorded.UTC().Format(timeFormat)}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(event, &members) // what cannot be read, or is not shown, is left blank
	for name, to := range map[string]*string{"type": &e.Type, "eventTime": &e.EventTime, "bizStep": &e.BizStep, "disposition": &e.Disposition} {
		_ = json.Unmarshal(members[name], to)
	}
	p.Events = append(p.Events, e)
}

// readTrail reads the last records of the trails.
func (p *itemPage) readTrail(view View, id string, class bool, read pager) error {
	records, err := lastRecords(view, id, class, read, func(*schemas.Record) bool { return true })
	if err != nil {
		return err
	}
	for i := range records {
		p.add(records[i].Body, records[i].Time, records[i].Partner)
	}
	return nil
}

// render writes the page.
func (p *itemPage) render() ([]byte, error) {
	slices.Reverse(p.Events)
	var out bytes.Buffer
	if err := itemTemplate.Execute(&out, p); err != nil {
		return nil, fmt.Errorf("writing the page of %s: %w", clip(p.ID), err)
	}
	return out.Bytes(), nil
}
