package audit_test

import (
	"encoding/json"
	"testing"

	"github.com/waybill-ledger/waybill/api/audit"
)

// FuzzAlarm: no text but evidence is evidence.
func FuzzAlarm(f *testing.F) {
	h := newHistory(2, four)
	b, err := json.Marshal(audit.Alarm{ChainID: simChain, Sides: []audit.AlarmSide{sideOf(h, 1), sideOf(h, 2)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	trust := h.trust(1)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := audit.DecodeAlarm(b)
		if err == nil && a.Check(trust) == nil {
			t.Errorf("%s is taken as evidence", b)
		}
	})
}

// FuzzOpenCheckpoint: no note is read that the witness did not sign.
func FuzzOpenCheckpoint(f *testing.F) {
	s, err := audit.NewWitnessSigner("w")
	if err != nil {
		f.Fatal(err)
	}
	other, err := audit.NewWitnessSigner("w")
	if err != nil {
		f.Fatal(err)
	}
	c, err := newHistory(1, four).anchors[0].proof.Verify()
	if err != nil {
		f.Fatal(err)
	}
	msg, err := s.Cosign(c, simStart)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(msg)
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := audit.OpenCheckpoint(b, other.Key); err == nil {
			t.Errorf("%q is read as %+v", b, got)
		}
	})
}
