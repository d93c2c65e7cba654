package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/epcisxml"
)

// maxHashed is how many events of one file are hashed.
const maxHashed = 1 << 20

// hashedEvent is one event of a file.
type hashedEvent struct {
	File    string `json:"file"`
	Pointer string `json:"pointer"` // to the event in the document
	EventID string `json:"eventID,omitempty"`
	Hash    string `json:"hash,omitempty"`
	Error   string `json:"error,omitempty"`
}

func (p *program) hashCommand() *cobra.Command {
	version := "2.0"
	cmd := &cobra.Command{
		Use: "hash FILE...", Short: "Print the event hash IDs of EPCIS documents and events", Args: atLeast(1, "files, or - for standard input"),
		Long: `Print a line for each event of JSON or XML documents, in their order: its hash ID by
the Core Business Vocabulary, section 8.9. It is the same for every notation of an event,
and says nothing of recordTime, eventID, errorDeclaration and certificationInfo.
Events must be valid, as for capture; the exit status is 1 if any is not, and
standard error tells file, place and reason. Nothing is sent to any node.`,
	}
	cmd.Flags().StringVar(&version, "cbv", version, "version of the algorithm: 2.0, or 2.1 for its draft")
	cmd.RunE = func(_ *cobra.Command, files []string) error {
		v := schemas.CBV20
		switch version {
		case "2.0":
		case "2.1":
			v = schemas.CBV21
		default:
			return usage("--cbv %q is neither 2.0 nor 2.1", version)
		}
		all, bad := []hashedEvent{}, 0
		for _, file := range files {
			events := p.hashFile(file, v)
			for _, e := range events {
				switch {
				case e.Error != "":
					bad++
					fmt.Fprintf(p.err, "waybill: %s: %s\n", escape(file), escape(e.Error))
				case p.output == "text":
					fmt.Fprintln(p.out, e.Hash)
				}
			}
			all = append(all, events...)
		}
		if p.output == "json" {
			if err := p.json(all); err != nil {
				return err
			}
		}
		if bad > 0 {
			return fmt.Errorf("not all is hashed: %s", counted(bad, "fault"))
		}
		return nil
	}
	return cmd
}

// hashFile hashes a file's events. What is wrong stands in the place of the event,
// or of all.
func (p *program) hashFile(file string, v schemas.HashVersion) []hashedEvent {
	var events []schemas.DocumentEvent
	text, err := p.readFile(file)
	if err == nil {
		events, err = decodeDocument(text)
	}
	if err != nil {
		return []hashedEvent{{File: file, Error: err.Error()}}
	}
	out := make([]hashedEvent, len(events))
	for i, e := range events {
		out[i] = hashedEvent{File: file, Pointer: e.Pointer}
		if e.Fault != nil {
			out[i].Error = e.Fault.Error()
			continue
		}
		out[i].EventID, out[i].Hash = e.Event.Skeleton.EventID, schemas.EventHash(e.Event, v)
		if out[i].Hash == "" {
			out[i].Error = e.Pointer + ": with the namespaces of its names the event is too long to be hashed"
		}
	}
	return out
}

// decodeDocument reads the events of a document in any form that EPCIS has.
func decodeDocument(text []byte) ([]schemas.DocumentEvent, error) {
	if !epcisxml.IsXML(text) {
		return schemas.DecodeDocument(text, maxHashed)
	}
	d, err := epcisxml.Decode(text, maxHashed)
	if err != nil {
		return nil, err
	}
	return d.Events, nil
}
