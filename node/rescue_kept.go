package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/waybill-ledger/waybill/app"
	"github.com/waybill-ledger/waybill/schemas/proof"
)

// signsNoOther refuses what contradicts, or comes behind, what was signed or started
// here: what was started may have been voted by.
func (at *standpoint) signsNoOther(r *proof.Rescue) error {
	for _, name := range []string{signedRescue, pendingRescue, epochName(r)} {
		path := rescuePath(at.home, name)
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading rescues: %w", err)
		}
		before, err := proof.DecodeRescue(b)
		switch {
		case err != nil:
			return fmt.Errorf("reading %s: %w", path, err)
		case name == signedRescue && before.ID() != r.ID():
			return fmt.Errorf("this partner signed another rescue already (%s): only if all who signed that call it off, each removes this file", path)
		case name != signedRescue:
			return fmt.Errorf("rescue %s, number %d, was started in this home (%s): its node signs none behind the same block", before.ID(), before.Epoch, path)
		}
	}
	return nil
}

// checkRescues reads the documents of rescues that the home keeps, and compares those
// that were started with what the ledger has.
func (c *checker) checkRescues() {
	paths, err := filepath.Glob(rescuePath(c.Home, "*"))
	if err != nil {
		return // of a malformed pattern, which this is not
	}
	var told []*proof.Rescue
	if c.have != nil {
		if told, err = app.Rescues(c.have); err != nil {
			c.fault(Fault{Detail: err.Error()})
		}
	}
	for _, path := range paths {
		c.Files++
		if err := checkRescueFile(path, told); err != nil {
			c.fault(Fault{File: c.name(path), Detail: err.Error()})
		}
	}
}

func checkRescueFile(path string, told []*proof.Rescue) error {
	name := filepath.Base(path)
	epoch, err := strconv.ParseUint(name, 10, 64)
	started := err == nil
	if !started && name != signedRescue && name != pendingRescue {
		return nil // what a kill left while a file was written
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r, err := proof.DecodeRescue(b)
	if err != nil {
		return err
	}
	if err := errors.Join(r.Check(), r.CheckSignatures()); err != nil {
		return err
	}
	if name == signedRescue {
		return nil // others may not have signed it yet
	}
	if err := r.Complete(); err != nil || !started {
		return err
	}
	if r.Epoch != epoch {
		return fmt.Errorf("it has rescue number %d", r.Epoch)
	}
	if epoch <= uint64(len(told)) && !bytes.Equal(told[epoch-1].Encode(), b) {
		return fmt.Errorf("it is not rescue number %d of the ledger", epoch)
	}
	return nil
}
