package network

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
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

// digits appends n with zeros in front, as wide as that.
func digits(b []byte, n uint64, width int) []byte {
	b = append(b, "0000000000000000000"[:width]...)
	for i := len(b) - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// random appends so many random digits.
func (g *generator) random(b []byte, width int) []byte {
	most := uint64(1)
	for range width {
		most *= 10
	}
	return digits(b, g.rng.Uint64N(most), width)
}

// uuid appends a random one of version 4.
func (g *generator) uuid(b []byte) []byte {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], g.rng.Uint64())
	binary.BigEndian.PutUint64(raw[8:], g.rng.Uint64())
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x0f|0xa0
	for i := range raw {
		if i >= 4 && i <= 10 && i%2 == 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, raw[i:i+1])
	}
	return b
}

// body appends an event behind what its object begins with. The load takes its
// processor time from the nodes that it measures, so that it is written without fmt.
func (g *generator) body(b []byte, begin string) []byte {
	g.made++
	at := g.begin.Add(time.Duration(g.made) * 37 * time.Millisecond).UTC()
	sgln := func(b []byte, sub uint64, width int) []byte {
		b = append(append(append(b, `{"id":"urn:epc:id:sgln:`...), g.prefix...), '.')
		b = append(digits(b, g.rng.Uint64N(60), 5), '.')
		return append(digits(b, sub, width), `"}`...)
	}
	b = append(append(b, begin...), `"type":"ObjectEvent","eventID":"urn:uuid:`...)
	b = append(g.uuid(b), `","eventTime":"`...)
	from := len(b)
	b = at.AppendFormat(b, "2006-01-02T15:04:05.000Z")
	stamp := b[from:]
	b = append(b, `","eventTimeZoneOffset":"+00:00","epcList":["urn:epc:id:sgtin:`...)
	b = append(append(b, g.prefix...), '.')
	b = append(digits(b, g.rng.Uint64N(40)+100, 6), '.')
	b = append(g.random(b, 12), `"],"action":"ADD","bizStep":"commissioning","disposition":"active","readPoint":`...)
	b = append(sgln(b, g.rng.Uint64N(8), 1), `,"bizLocation":`...)
	b = append(sgln(b, 0, 1), `,"bizTransactionList":[{"type":"po","bizTransaction":"urn:epcglobal:cbv:bt:9521234000006:PO-`...)
	b = append(g.random(b, 12), `"},{"type":"desadv","bizTransaction":"urn:epcglobal:cbv:bt:9521234000006:DA-`...)
	b = append(g.random(b, 12), `"}],"sensorElementList":[{"sensorMetadata":{"time":"`...)
	b = append(append(b, stamp...), `","deviceID":"urn:epc:id:giai:`...)
	b = append(append(b, g.prefix...), `.LOG-`...)
	b = append(g.random(b, 6), `"},"sensorReport":[{"type":"Temperature","value":`...)
	b = append(strconv.AppendUint(b, g.rng.Uint64N(12), 10), '.')
	b = append(g.random(b, 2), `,"uom":"CEL"},{"type":"RelativeHumidity","value":`...)
	b = append(strconv.AppendUint(b, 40+g.rng.Uint64N(50), 10), '.')
	return append(g.random(b, 2), `,"uom":"A93"}]}]}`...)
}

// eventRoom is room for an event of the load.
const eventRoom = 1 << 10

// event is a single event as a client posts it.
func (g *generator) event() []byte { return g.body(make([]byte, 0, eventRoom), "{"+loadContext+",") }

// document is an EPCIS document of n events.
func (g *generator) document(n int) []byte {
	b := beginDocument(make([]byte, 0, (n+1)*eventRoom))
	for range n {
		b = append(g.body(b, "{"), ',')
	}
	return endDocument(b)
}

func beginDocument(b []byte) []byte {
	return fmt.Appendf(b, `{%s,"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"%s","epcisBody":{"eventList":[`,
		loadContext, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
}

// endDocument ends a list in which a comma is behind each event.
func endDocument(b []byte) []byte { return append(bytes.TrimSuffix(b, []byte(",")), `]}}`...) }

// chain is a document in which one item is made from another, depth times over,
// and the identifier of the last: what a trace follows upstream.
func (g *generator) chain(depth int) (doc []byte, last string) {
	id := func() string { return "urn:epc:id:sgtin:" + g.prefix + ".000777." + string(g.random(nil, 12)) }
	last = id()
	b := beginDocument(nil)
	for i := range depth {
		next := id()
		at := g.begin.Add(time.Duration(i) * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
		b = fmt.Appendf(b, `{"type":"TransformationEvent","eventTime":"%s","eventTimeZoneOffset":"+00:00","inputEPCList":["%s"],"outputEPCList":["%s"],"bizStep":"commissioning","disposition":"active","readPoint":{"id":"urn:epc:id:sgln:%s.%05d.0"},"sensorElementList":[{"sensorReport":[{"type":"Temperature","value":%d.%02d,"uom":"CEL"}]}]},`,
			at, last, next, g.prefix, g.rng.IntN(60), g.rng.IntN(90), g.rng.IntN(100))
		last = next
	}
	return endDocument(b), last
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
		all = g.body(all, "{"+loadContext+",")
	}
	return len(all) / n, float64(len(all)) / float64(len(codec.Compress(all))), nil
}
