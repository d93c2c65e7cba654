// Package store keeps the ledger's state and archive on disk.
package store
