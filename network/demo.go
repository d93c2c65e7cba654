package network

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/template"
	"time"

	"github.com/waybill-ledger/waybill/api"
	"github.com/waybill-ledger/waybill/api/client"
	"github.com/waybill-ledger/waybill/schemas"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// The story: EPCIS documents, each for the partner that its name tells, in the
// order in which they are captured. That is not the order in which things
// happened: one receipt is reported before the shipment that it belongs to.
//
//go:embed story/*.json
var story embed.FS

const (
	// DemoPartners is how many partners the demo's story has.
	DemoPartners = 4
	// DemoUnit is the consumer unit whose trace the demo shows.
	DemoUnit = "https://id.gs1.org/01/09521235456789/21/70003"

	storyDays  = 8 // so long ago does the story begin
	placesFile = "story/places.json"
)

// chapter is one document of the story.
type chapter struct {
	partner string
	title   string
	text    []byte
}

// chapters fills in the story's times: it ended yesterday.
func chapters(now time.Time) ([]chapter, error) {
	names, err := fs.Glob(story, "story/[0-9]*.json")
	if err != nil {
		return nil, fmt.Errorf("listing the story: %w", err)
	}
	zone := time.FixedZone("", 3600)
	first := now.In(zone).Truncate(24*time.Hour).AddDate(0, 0, -storyDays-1)
	at := func(day int, clock string) (string, error) {
		t, err := time.Parse("15:04", clock)
		if err != nil {
			return "", err
		}
		y, m, d := first.AddDate(0, 0, day).Date()
		return time.Date(y, m, d, t.Hour(), t.Minute(), 0, 0, zone).Format("2006-01-02T15:04:05.000-07:00"), nil
	}
	out := make([]chapter, 0, len(names))
	for _, name := range names {
		text, err := template.New(name).Funcs(template.FuncMap{"at": at}).ParseFS(story, name)
		if err != nil {
			return nil, fmt.Errorf("reading the story: %w", err)
		}
		var b bytes.Buffer
		base := strings.TrimPrefix(name, "story/")
		if err := text.ExecuteTemplate(&b, base, nil); err != nil {
			return nil, fmt.Errorf("reading the story: %w", err)
		}
		c := chapter{text: b.Bytes()}
		for i := range DemoPartners {
			p := localPartner(i).ID
			if rest, ok := strings.CutPrefix(base[3:], p+"-"); ok {
				c.partner, c.title = p, strings.TrimSuffix(rest, ".json")
			}
		}
		if c.partner == "" {
			return nil, fmt.Errorf("the story's %s is nobody's", name)
		}
		out = append(out, c)
	}
	return out, nil
}

// Places names the story's locations, by canonical identifier.
func Places() (map[string]string, error) {
	b, err := story.ReadFile(placesFile)
	if err != nil {
		return nil, fmt.Errorf("reading the story's places: %w", err)
	}
	var places map[string]string
	if err := json.Unmarshal(b, &places); err != nil {
		return nil, fmt.Errorf("reading the story's places: %w", err)
	}
	return places, nil
}

// Demo plays the story into a local network: every partner submits its documents
// to its own node. Then the trace of one consumer unit, which must be the same on
// every node, is shown, with names of places by canonical identifier, and its bundle is
// verified by a root of trust that all nodes agree on: out is told both. Progress goes to log.
func Demo(ctx context.Context, members []Member, show func(t *api.Trace, places map[string]string) error, out, log io.Writer) error {
	clients := map[string]*client.Client{}
	for _, m := range members {
		c, err := client.New(m.REST, m.Key)
		if err != nil {
			return err
		}
		clients[m.Partner] = c
	}
	list, err := chapters(time.Now())
	if err != nil {
		return err
	}
	height := int64(0)
	for _, c := range list {
		job, err := play(ctx, clients[c.partner], c, log)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", c.partner, c.title, err)
		}
		height = max(height, job.Receipt.Height)
	}
	trace, err := sameTrace(ctx, members, clients, height)
	if err != nil {
		return err
	}
	places, err := Places()
	if err != nil {
		return err
	}
	fmt.Fprintln(log)
	if err := show(trace, places); err != nil {
		return err
	}
	fmt.Fprintf(out, "The trace is the same on all %d nodes.\n", len(members))
	return proveUnit(ctx, members, clients, out)
}

// play captures one chapter and waits for what came of it.
func play(ctx context.Context, c *client.Client, ch chapter, log io.Writer) (*api.Job, error) {
	job, err := c.Capture(ctx, ch.text, client.Write{})
	if err != nil {
		return nil, err
	}
	if job, err = c.Wait(ctx, job.Location); err != nil {
		return nil, err
	}
	if !job.Success || job.Receipt == nil {
		if len(job.Errors) > 0 {
			return nil, &job.Errors[0]
		}
		return nil, errors.New("the capture did not succeed")
	}
	for _, e := range job.Receipt.Events {
		fmt.Fprintf(log, "%-13s %-14s %-12s %s\n", ch.partner, ch.title, e.Effect, flagText(e.Flags))
	}
	return job, nil
}

func flagText(flags []schemas.Code) string {
	names := make([]string, len(flags))
	for i, f := range flags {
		names[i] = f.String()
	}
	return strings.Join(names, " ")
}

// sameTrace asks every node for the unit's trace once it has the last event, and
// answers it if all say the same.
func sameTrace(ctx context.Context, members []Member, clients map[string]*client.Client, height int64) (*api.Trace, error) {
	var first *api.Trace
	var said []byte
	for _, m := range members {
		c := clients[m.Partner]
		if err := awaitHeight(ctx, c, height); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Partner, err)
		}
		t, err := c.Trace(ctx, DemoUnit, schemas.Both, 0)
		if err != nil {
			return nil, fmt.Errorf("asking %s for the trace: %w", m.Partner, err)
		}
		comparable := *t.Trace
		comparable.Height = 0 // later blocks, which changed nothing, may have come
		text, err := json.Marshal(api.Trace{Trace: &comparable, Events: t.Events})
		if err != nil {
			return nil, fmt.Errorf("comparing traces: %w", err)
		}
		if first == nil {
			first, said = t, text
		}
		if !bytes.Equal(said, text) {
			return nil, fmt.Errorf("%s and %s tell different traces of %s", members[0].Partner, m.Partner, DemoUnit)
		}
	}
	return first, nil
}

// awaitHeight waits until a node has committed a height.
func awaitHeight(ctx context.Context, c *client.Client, height int64) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		n, err := c.Network(ctx)
		if err != nil {
			return err
		}
		if n.Height >= height {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// proveUnit verifies the unit's bundle, from the last node, as an auditor does.
func proveUnit(ctx context.Context, members []Member, clients map[string]*client.Client, out io.Writer) error {
	var all []*client.Client
	for _, m := range members {
		all = append(all, clients[m.Partner])
	}
	trust, err := AgreedTrust(ctx, all)
	if err != nil {
		return err
	}
	last := members[len(members)-1].Partner
	bundle, err := clients[last].Bundle(ctx, schemas.BundleQuery{ID: DemoUnit, Observations: true, Containers: true})
	if err != nil {
		return fmt.Errorf("asking %s for the bundle: %w", last, err)
	}
	report, err := proof.Verify(bundle, trust)
	if err != nil {
		return fmt.Errorf("verifying the bundle of %s: %w", last, err)
	}
	fmt.Fprintf(out, "Its bundle of %d bytes, from %s, holds against a root of trust that all nodes agree on: %s, held by %s.\n",
		len(bundle), last, counted(len(report.Events), "record"), clean(report.Asked().Custodian))
	return nil
}
