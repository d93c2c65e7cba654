// Package epcisxml reads and writes the XML of EPCIS: versions 2.0 and 1.2, and
// what 1.1 and 1.0 had.
//
// Everything behind the door works on JSON: an XML event becomes the JSON event
// that says the same (EPCIS 2.0, clause 10), and from there on has the same body,
// digest and hash as if it had come as JSON. So
//
//	<ObjectEvent xmlns:ext="https://example.com/ns/">
//	  <eventTime>2026-01-31T12:00:00.000+01:00</eventTime>
//	  <eventTimeZoneOffset>+01:00</eventTimeZoneOffset>
//	  <epcList><epc>urn:epc:id:sgtin:9521321.012345.1</epc></epcList>
//	  <action>OBSERVE</action>
//	  <bizStep>urn:epcglobal:cbv:bizstep:shipping</bizStep>
//	  <ext:seal>intact</ext:seal>
//	</ObjectEvent>
//
// is read as
//
//	{"@context":[{"ext":"https://example.com/ns/"}],"type":"ObjectEvent",
//	 "eventTime":"2026-01-31T12:00:00.000+01:00","eventTimeZoneOffset":"+01:00",
//	 "epcList":["urn:epc:id:sgtin:9521321.012345.1"],"action":"OBSERVE",
//	 "bizStep":"shipping","ext:seal":"intact"}
//
// The rules:
//
//   - Elements of the standard are read with or without its namespace, in any
//     order: order says nothing in EPCIS. Wrappers of older versions (extension,
//     baseExtension) are opened. A QuantityEvent of 1.0 is an ObjectEvent with a
//     quantityList and action OBSERVE.
//   - Words of the Core Business Vocabulary become bare, whatever their form. Times,
//     offsets and numbers stay as they are written.
//   - An extension is named by its expanded name: its prefix becomes an entry of
//     @context, renamed where it would clash. Repeated elements become an array,
//     elements with content an object, others a string without the white space
//     around it, unless xml:space is preserve. Attributes become members; the text
//     of an element that has attributes or children is its member #text.
//   - What JSON can say and XML cannot is written with attributes and elements of a
//     namespace of our own, which other readers pass over.
//
// The standard library's tokenizer reads the text. Namespaces, nesting, sizes and
// declarations are checked here: it lets more pass than XML 1.0 does. A document
// type declaration is refused unless it has a name alone, so that there are no entities
// beside XML's five.
package epcisxml
