package node

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/waybill-ledger/waybill/app/store"
)

// checkHistory reads what a node that joined by a snapshot has fetched of the blocks before:
// each entry by its checksum. Whether it is the network's history the node itself judges,
// which computes it again at each start. So its database counts only when it is whole and
// about to take the ledger's place.
func (c *checker) checkHistory(ctx context.Context) {
	dir := HistoryPath(c.Home)
	damages, _, files, err := store.CheckArchive(ctx, store.ArchiveDir(dir), nil, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	c.Files += files
	told := func(below, detail string, offset int64) {
		c.fault(Fault{File: c.name(filepath.Join(dir, below)), Offset: offset,
			Detail: detail + ": start the node, which fetches again what does not hold (or remove " + c.name(dir) + " before)"})
	}
	if err != nil {
		told("", err.Error(), 0)
	}
	for _, d := range damages {
		told(filepath.Join("archive", d.File), d.Err.Error(), d.Offset)
	}
	if _, err := os.Stat(filepath.Join(dir, completeMarker)); err != nil || c.settings.Backend == "pebbledb" {
		return
	}
	database := store.DatabaseName(c.settings.Backend)
	damages, err = store.CheckDatabase(filepath.Join(dir, database))
	if err != nil {
		told(database, err.Error(), 0)
	}
	for _, d := range damages {
		c.fault(Fault{File: c.name(filepath.Join(dir, database, d.File)), Offset: d.Offset,
			Detail: d.Err.Error() + ": remove " + c.name(filepath.Join(dir, completeMarker)) + ", and the node computes it again"})
	}
}
