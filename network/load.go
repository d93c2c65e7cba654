package network

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// generator makes events as a cold chain's readers report them: one item each,
// where, when, under which papers, at which temperature and humidity. Serials and
// readings are random, so that they compress no better than real ones.
type generator struct {
	rng    *rand.Rand
	prefix string // of the reporting partner
	begin  time.Time
	made   int
}

func newGenerator(partner int, seed uint64) *generator {
	return &generator{rng: rand.New(rand.NewPCG(seed, uint64(partner))), prefix: companyPrefix(partner), begin: time.Now().Add(-24 * time.Hour)}
}

const loadContext = `"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]`

// serial is a random serial number of 12 digits.
func (g *generator) serial() string { return fmt.Sprintf("%012d", g.rng.Uint64N(1e12)) }

// body is an event without its context, its braces included.
func (g *generator) body(context string) []byte {
	g.made++
	at := g.begin.Add(time.Duration(g.made) * 37 * time.Millisecond).UTC()
	stamp := at.Format("2006-01-02T15:04:05.000Z")
	var b bytes.Buffer
	fmt.Fprintf(&b, `{%s"type":"ObjectEvent","eventID":"urn:uuid:%08x-%04x-4%03x-a%03x-%012x","eventTime":"%s","eventTimeZoneOffset":"+00:00",`,
		context, g.rng.Uint32(), g.rng.Uint32N(1<<16), g.rng.Uint32N(1<<12), g.rng.Uint32N(1<<12), g.rng.Uint64N(1<<48), stamp)
	fmt.Fprintf(&b, `"epcList":["urn:epc:id:sgtin:%s.%06d.%s"],"action":"ADD","bizStep":"commissioning","disposition":"active",`,
		g.prefix, g.rng.IntN(40)+100, g.serial())
	fmt.Fprintf(&b, `"readPoint":{"id":"urn:epc:id:sgln:%s.%05d.%d"},"bizLocation":{"id":"urn:epc:id:sgln:%s.%05d.0"},`,
		g.prefix, g.rng.IntN(60), g.rng.IntN(8), g.prefix, g.rng.IntN(60))
	fmt.Fprintf(&b, `"bizTransactionList":[{"type":"po","bizTransaction":"urn:epcglobal:cbv:bt:9521234000006:PO-%s"},{"type":"desadv","bizTransaction":"urn:epcglobal:cbv:bt:9521234000006:DA-%s"}],`,
		g.serial(), g.serial())
	fmt.Fprintf(&b, `"sensorElementList":[{"sensorMetadata":{"time":"%s","deviceID":"urn:epc:id:giai:%s.LOG-%06d"},"sensorReport":[{"type":"Temperature","value":%d.%02d,"uom":"CEL"},{"type":"RelativeHumidity","value":%d.%02d,"uom":"A93"}]}]}`,
		stamp, g.prefix, g.rng.IntN(1e6), g.rng.IntN(12), g.rng.IntN(100), 40+g.rng.IntN(50), g.rng.IntN(100))
	return b.Bytes()
}

// event is a single event as a client posts it.
func (g *generator) event() []byte { return g.body(loadContext + ",") }

// document is an EPCIS document of n events.
func (g *generator) document(n int) []byte {
	events := make([][]byte, n)
	for i := range events {
		events[i] = g.body("")
	}
	return document(events)
}

func document(events [][]byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{%s,"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"%s","epcisBody":{"eventList":[`,
		loadContext, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
	b.Write(bytes.Join(events, []byte(",")))
	b.WriteString(`]}}`)
	return b.Bytes()
}

// chain is a document in which one item is made from another, depth times over,
// and the identifier of the last: what a trace follows upstream.
func (g *generator) chain(depth int) (doc []byte, last string) {
	id := func() string { return "urn:epc:id:sgtin:" + g.prefix + ".000777." + g.serial() }
	last = id()
	events := make([][]byte, 0, depth)
	for i := range depth {
		next := id()
		at := g.begin.Add(time.Duration(i) * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
		events = append(events, fmt.Appendf(nil, `{"type":"TransformationEvent","eventTime":"%s","eventTimeZoneOffset":"+00:00","inputEPCList":["%s"],"outputEPCList":["%s"],"bizStep":"commissioning","disposition":"active","readPoint":{"id":"urn:epc:id:sgln:%s.%05d.0"},"sensorElementList":[{"sensorReport":[{"type":"Temperature","value":%d.%02d,"uom":"CEL"}]}]}`,
			at, last, next, g.prefix, g.rng.IntN(60), g.rng.IntN(90), g.rng.IntN(100)))
		last = next
	}
	return document(events), last
}

// corpus tells what the generated events are like: bytes of one on average, and
// how much a hundred in one frame compress.
func corpus() (size int, ratio float64, err error) {
	codec, err := schemas.NewCodec()
	if err != nil {
		return 0, 0, err
	}
	g := newGenerator(0, 1)
	const n = 100
	var all []byte
	for range n {
		all = append(all, g.body(loadContext+",")...)
	}
	return len(all) / n, float64(len(all)) / float64(len(codec.Compress(all))), nil
}
