package proof_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-ledger/waybill/schemas/proof"
)

const goodTrust = `{"chain_id":"waybill-test","height":7,"time":"2026-03-01T08:00:00.5Z",
 "header_hash":"0101010101010101010101010101010101010101010101010101010101010101",
 "validator_set_hash":"ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"}`

func TestDecodeTrust(t *testing.T) {
	trust, err := proof.DecodeTrust([]byte(goodTrust))
	if err != nil {
		t.Fatal(err)
	}
	if trust.ChainID != "waybill-test" || trust.Height != 7 || trust.Time.Nanosecond() != 5e8 || trust.HeaderHash[31] != 1 || trust.ValidatorSetHash[0] != 0xab {
		t.Errorf("%+v", trust)
	}
	text, err := json.Marshal(trust)
	if err != nil {
		t.Fatal(err)
	}
	again, err := proof.DecodeTrust(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(trust, again); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeTrustRefuses(t *testing.T) {
	edit := func(old, new string) string { return strings.Replace(goodTrust, old, new, 1) }
	for name, c := range map[string]struct{ text, refuse string }{
		"nothing":             {"", "no JSON object"},
		"a list":              {"[]", "no JSON object"},
		"an empty object":     {"{}", "it needs"},
		"a missing member":    {edit(`"height":7,`, ""), "it needs"},
		"an unknown member":   {edit(`"height"`, `"other":1,"height"`), "other"},
		"a member twice":      {edit(`"height":7`, `"height":7,"height":8`), "there twice"},
		"another case":        {edit(`"height"`, `"Height"`), "Height"},
		"an empty chain":      {edit("waybill-test", ""), "empty"},
		"no height":           {edit("7", "0"), "empty"},
		"a negative height":   {edit("7", "-7"), "empty"},
		"a fraction":          {edit("7", "7.5"), "height"},
		"a null":              {edit(`"2026-03-01T08:00:00.5Z"`, "null"), "no time"},
		"a comma in the time": {edit("00.5Z", "00,5Z"), "no time"},
		"an hour of a digit":  {edit("T08", "T8"), "no time"},
		"a day's offset":      {edit("00.5Z", "00+24:00"), "no time"},
		"a time before 1970":  {edit("2026", "0001"), "no time"},
		"a time without zone": {edit("00.5Z", "00.5"), "time"},
		"a short hash":        {edit("0101010101", "01010101"), "header_hash"},
		"a hash of letters":   {edit("0101010101", "zz01010101"), "header_hash"},
		"a zero hash":         {edit(strings.Repeat("01", 32), strings.Repeat("00", 32)), "empty"},
		"something behind":    {goodTrust + "{}", "follows"},
		"cut short":           {goodTrust[:len(goodTrust)-1], "end"},
		"no UTF-8":            {edit("waybill-test", "waybill-\xff"), "UTF-8"},
		"too long":            {goodTrust + strings.Repeat(" ", 5000), "too long"},
	} {
		_, err := proof.DecodeTrust([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.refuse) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
