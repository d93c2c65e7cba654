// Package schemas is Waybill's format: identifiers, events, transactions,
// receipts and every hash over them. What two nodes, or a node and an auditor,
// must agree on to the byte is here, once; docs/format.md tells it in prose.
//
// The package is pure: it reads no clock, no randomness, no network and no
// settings, so that every function gives one answer on every machine.
//
//go:generate go tool protogen waybill.proto waybill.pb.go
package schemas
