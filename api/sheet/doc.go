// Package sheet turns what companies already have into EPCIS events and back:
// rows of CSV and XLSX, ship notices of X12 and EDIFACT.
//
// A file becomes a [Table]: rows whose columns have names. Of a spreadsheet they
// are the names in its header row; of a ship notice they name level, segment,
// qualifier and element, as in "P/MAN[GM]-2". A [Mapping], a JSON document, says
// what events rows become: it holds events as EPCIS 2.0 writes them, with
// {Column} where a row's value belongs. What a mapping makes of a file depends on
// both alone, so that the same file sent twice makes the same events, which a
// ledger recognises. docs/import.md tells the language.
//
// Nothing here trusts a file: bytes, rows, cells and what they become are bounded
// by [Limits], archives are bounded by what they unpack to, formulas are never
// computed.
//
// The other way, a [Writer] writes rows as CSV or XLSX, and [WriteEvents] an
// EPCIS query document.
package sheet
