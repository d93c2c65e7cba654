package schemas_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/waybill-ledger/waybill/schemas"
	"pgregory.net/rapid"
)

func TestDecimalForms(t *testing.T) {
	nines := strings.Repeat("9", 18) + "." + strings.Repeat("9", 12)
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.000": "0", "0e999999999999999999999": "0", "-0.0e-5": "0",
		"1": "1", "1.50": "1.5", "-1.50": "-1.5", "1e3": "1000", "1.5E+2": "150", "15e-1": "1.5",
		"0.000000000001": "0.000000000001", "1e-12": "0.000000000001", "100e-14": "0.000000000001",
		"999999999999999999": "999999999999999999", "1e17": "100000000000000000", "0.0001e21": "100000000000000000",
		nines: nines, "-" + nines: "-" + nines,
		"10" + strings.Repeat("0", 100) + "e-101": "1",
		"0." + strings.Repeat("0", 100) + "1e101": "1",
	} {
		d, err := schemas.ParseDecimal(in)
		if err != nil || d.String() != want {
			t.Errorf("%s: %s, %v, want %s", in, d, err, want)
		}
	}
}

func TestDecimalRefuses(t *testing.T) {
	for _, in := range []string{
		"", "-", "+1", "01", "-01", "00", ".5", "5.", "1e", "1e+", "e5", "1.5.2", "1,5", " 1", "1 ", "0x10", "NaN", "Infinity", "1_000", "١",
		"1e18", "1000000000000000000", "-1e18", "1e-13", "0.0000000000001", "1.0000000000001", "1e999999999999999999999", "1e-999999999999999999999",
		"1" + strings.Repeat("0", 100), "--1", "1e1e1", "1e1.5", "beyond",
	} {
		if d, err := schemas.ParseDecimal(in); err == nil || codeOf(err) != "bad_quantity" {
			t.Errorf("%q: %s, %v", in, d, err)
		}
	}
}

// checkDecimal compares with the standard library's rationals.
func checkDecimal(t interface {
	Helper()
	Fatalf(string, ...any)
}, s string) (schemas.Decimal, bool) {
	t.Helper()
	d, err := schemas.ParseDecimal(s)
	if err != nil {
		return d, false
	}
	if !json.Valid([]byte(s)) {
		t.Fatalf("%q is no JSON number, but read as %s", s, d)
	}
	back, err := schemas.ParseDecimal(d.String())
	if err != nil || !back.Equal(d) || back.String() != d.String() {
		t.Fatalf("%q: %s is read back as %s, %v", s, d, back, err)
	}
	return d, true
}

func rational(t interface {
	Helper()
	Fatalf(string, ...any)
}, s string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("%q is no rational", s)
	}
	return r
}

var bound = new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil))

// Sums are exact, or beyond exactly when the true sum has more than 18 digits
// before the point.
func TestDecimalSums(t *testing.T) {
	text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,12})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		x, _ := checkDecimal(t, a)
		y, _ := checkDecimal(t, b)
		if x.Sign() != rational(t, a).Sign() {
			t.Fatalf("%s has sign %d", a, x.Sign())
		}
		sum := new(big.Rat).Add(rational(t, a), rational(t, b))
		difference := new(big.Rat).Sub(rational(t, a), rational(t, b))
		for got, want := range map[schemas.Decimal]*big.Rat{x.Add(y): sum, x.Sub(y): difference} {
			if beyond := new(big.Rat).Abs(want).Cmp(bound) >= 0; beyond != got.Beyond() {
				t.Fatalf("%s and %s: beyond is %t, want %t", a, b, got.Beyond(), beyond)
			}
			if !got.Beyond() && rational(t, got.String()).Cmp(want) != 0 {
				t.Fatalf("%s and %s give %s, want %s", a, b, got, want.FloatString(12))
			}
		}
	})
}

func TestDecimalBeyond(t *testing.T) {
	most, err := schemas.ParseDecimal("999999999999999999.999999999999")
	if err != nil {
		t.Fatal(err)
	}
	one, err := schemas.ParseDecimal("0.000000000001")
	if err != nil {
		t.Fatal(err)
	}
	over := most.Add(one)
	if !over.Beyond() || !over.Sub(most).Beyond() || over.Sign() != 0 || over.String() != "beyond" {
		t.Errorf("one more than the most is %s", over)
	}
	var zero schemas.Decimal
	if under := zero.Sub(most).Sub(one); !under.Beyond() {
		t.Errorf("one less than the least is %s", under)
	}
	if d := most.Sub(most); d.String() != "0" || d.Sign() != 0 || !d.Equal(zero) {
		t.Errorf("nothing is %s", d)
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0", "-1.50", "1e3", "15e-1", "1e-13", "00", "1e99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := checkDecimal(t, s)
		if !ok || len(s) > 60 || strings.ContainsAny(s, "eE") {
			return // a rational of a large exponent would be as large
		}
		if rational(t, s).Cmp(rational(t, d.String())) != 0 {
			t.Fatalf("%q is read as %s", s, d)
		}
	})
}
