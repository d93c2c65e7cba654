package schemas_test

import (
	"crypto/ed25519"
	"fmt"
	"log"

	"github.com/waybill-ledger/waybill/schemas"
)

func ExampleParseIdentifier() {
	for _, s := range []string{
		"urn:epc:id:sgtin:9521234.054321.1001",
		"https://shop.example/01/9521234543213/22/2A/21/1001?17=271231",
		"https://shop.example/basket/17",
		"https://id.gs1.org/01/09521234543214",
	} {
		id, err := schemas.ParseIdentifier(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(id.Scheme(), id)
		if urn, ok := id.URN(); ok {
			fmt.Println(urn)
		}
	}
	// Output:
	// sgtin https://id.gs1.org/01/09521234543213/21/1001
	// urn:epc:id:sgtin:9521234.054321.1001
	// sgtin https://id.gs1.org/01/09521234543213/21/1001
	// private https://shop.example/basket/17
	// bad_check_digit: "https://id.gs1.org/01/09521234543214": the check digit is wrong
}

func ExampleDecimal() {
	held, err := schemas.ParseDecimal("1.2e1")
	if err != nil {
		log.Fatal(err)
	}
	taken, err := schemas.ParseDecimal("0.30")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(held.Sub(taken))
	// Output: 11.7
}

func ExampleCodec() {
	codec, err := schemas.NewCodec()
	if err != nil {
		log.Fatal(err)
	}
	event, err := schemas.DecodeSingle([]byte(`{"type": "ObjectEvent", "eventTime": "2026-03-02T13:05:11Z", "eventTimeZoneOffset": "+00:00",
		"action": "ADD", "bizStep": "commissioning", "epcList": ["urn:epc:id:sgtin:9521234.054321.1001"]}`))
	if err != nil {
		log.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // of the partner's gateway
	raw, id, err := codec.Sign(schemas.Draft{
		ChainID: "waybill-1", Partner: "acme-farms", KeyID: "k1", Expiry: 100,
		Nonce: make([]byte, schemas.NonceSize), Secret: make([]byte, 32), // random bytes in earnest
		Events: []*schemas.Event{event},
	}, key)
	if err != nil {
		log.Fatal(err)
	}
	tx, err := codec.Decode(raw)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tx.ID == id, tx.Header.Partner, tx.Messages[0].Event.Skeleton.EPCs)
	// Output: true acme-farms [https://id.gs1.org/01/09521234543213/21/1001]
}
