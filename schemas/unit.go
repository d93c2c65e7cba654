package schemas

import (
	"math/big"
	"strings"
)

// Units of measure are codes of UN/ECE Recommendation 20. Amounts of one dimension
// are compared whatever their units are, exactly: every factor here is a ratio of
// whole numbers, by definition. Codes that are not listed, and those whose factor is
// no such ratio (radians against degrees), compare with themselves alone.

// dimensions lists units as code=factor, or code=factor+offset, to the first of its
// line, whose factor is 1.
var dimensions = [...]string{
	"KEL=1 CEL=1+273.15 FAH=5/9+229835/900 A48=5/9",
	"KGM=1 GRM=1/1000 MGM=1/1000000 MC=1/1000000000 CGM=1/100000 DG=1/10000 DJ=1/100 HGM=1/10 DTN=100 TNE=1000 " +
		"LBR=0.45359237 ONZ=0.028349523125 APZ=0.0311034768 GRN=0.00006479891 STI=6.35029318 CWA=45.359237 CWI=50.80234544 STN=907.18474 LTN=1016.0469088",
	"MTR=1 KMT=1000 HMT=100 A45=10 DMT=1/10 CMT=1/100 MMT=1/1000 4H=1/1000000 C45=1/1000000000 INH=0.0254 FOT=0.3048 YRD=0.9144 SMI=1609.344 NMI=1852",
	"MTK=1 KMK=1000000 DMK=1/100 CMK=1/10000 MMK=1/1000000 ARE=100 HAR=10000 INK=0.00064516 FTK=0.09290304 YDK=0.83612736 ACR=4046.8564224 MIK=2589988.110336",
	"MTQ=1 LTR=1/1000 DMQ=1/1000 DLT=1/10000 CLT=1/100000 MLT=1/1000000 CMQ=1/1000000 4G=1/1000000000 MMQ=1/1000000000 A44=1/100 HLT=1/10 K6=1 " +
		"INQ=0.000016387064 FTQ=0.028316846592 YDQ=0.764554857984 GLL=0.003785411784 QTL=0.000946352946 PTL=0.000473176473 OZA=0.0000295735295625 " +
		"GLI=0.00454609 QTI=0.0011365225 PTI=0.00056826125 OZI=0.0000284130625 BLL=0.158987294928",
	"SEC=1 C26=1/1000 B98=1/1000000 C47=1/1000000000 MIN=60 HUR=3600 DAY=86400 WEE=604800",
	"MTS=1 C16=1/1000 2M=1/100 KMH=5/18 FS=0.3048 HM=0.44704 KNT=463/900",
	"MSK=1 K40=9.80665",
	"PAL=1 A97=100 KPA=1000 MPA=1000000 MBR=100 BAR=100000 ATM=101325 ATT=98066.5 PS=4448.2216152605/0.64516 HN=133.322387415",
	"JOU=1 KJO=1000 3B=1000000 GV=1000000000 WHR=3600 KWH=3600000 MWH=3600000000 GWH=3600000000000 D70=4.1868 E14=4186.8 BTU=1055.05585262",
	"WTT=1 C31=1/1000 KWT=1000 MAW=1000000 A90=1000000000",
	"HTZ=1 KHZ=1000 MHZ=1000000 A86=1000000000",
	"VLT=1 2Z=1/1000 KVT=1000 B78=1000000",
	"AMP=1 4K=1/1000 B84=1/1000000 B22=1000",
	"OHM=1 E45=1/1000 B49=1000 B75=1000000",
	"FAR=1 C10=1/1000 4O=1/1000000 C41=1/1000000000 4T=1/1000000000000",
	"C62=1 P1=1/100 NX=1/1000 59=1/1000000 61=1/1000000000",
	"KMQ=1 GL=1 23=1000 M1=1/1000 GP=1/1000000 GQ=1/1000000000",
	"NEW=1 B47=1000",
	"LUX=1 KLX=1000",
	"AD=1 A99=1/8 2P=1000 4L=1000000 E34=1000000000 E35=1000000000000",
	"DD=1 D61=1/60 D62=1/3600",
	"BQL=1 2Q=1000 4N=1000000 CUR=37000000000",
	"D13=1 C28=1/1000",
	"MQS=1 MQH=1/3600 L2=1/60000",
}

// unitOf is how amounts of a unit become amounts of its dimension's first: times
// factor, plus offset. Of a unit that is not listed the dimension is the unit.
type unitOf struct {
	dimension      string
	factor, offset *big.Rat // nil for 1 and for 0
}

// unitOfCode reads a unit's line.
func unitOfCode(code string) unitOf {
	for _, line := range dimensions {
		for entry := range strings.FieldsSeq(line) {
			name, rest, _ := strings.Cut(entry, "=")
			if name != code {
				continue
			}
			factor, offset, _ := strings.Cut(rest, "+")
			first, _, _ := strings.Cut(line, "=")
			return unitOf{first, ratio(factor), ratio(offset)}
		}
	}
	return unitOf{dimension: code}
}

// ratio reads a number or a quotient of two; nil for none.
func ratio(s string) *big.Rat {
	if s == "" {
		return nil
	}
	over, under, ok := strings.Cut(s, "/")
	r, good := new(big.Rat).SetString(over)
	if !good {
		return nil
	}
	if ok {
		if d, good := new(big.Rat).SetString(under); good {
			r.Quo(r, d)
		}
	}
	return r
}

// base is an amount in the dimension's first unit.
func (u unitOf) base(amount *big.Rat) *big.Rat {
	out := new(big.Rat).Set(amount)
	if u.factor != nil {
		out.Mul(out, u.factor)
	}
	if u.offset != nil {
		out.Add(out, u.offset)
	}
	return out
}

// spread is a difference of amounts, as a standard deviation is, in the dimension's
// first unit: offsets cancel out.
func (u unitOf) spread(amount *big.Rat) *big.Rat { return unitOf{factor: u.factor}.base(amount) }

// Bounds of a number that is compared: beyond them it is equal to, above and below
// nothing, so that no exponent makes a comparison dear.
const (
	maxCompared = 60  // significant digits
	maxShift    = 60  // zeros before or behind them
	maxNumber   = 400 // bytes
)

// rational reads a number as JSON writes it, or XML, which allows a plus sign and
// leading zeros.
func rational(s string) (*big.Rat, bool) {
	if len(s) > maxNumber {
		return nil, false
	}
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(s, "+")
	}
	for len(digits) > 1 && digits[0] == '0' && isDigit(digits[1]) {
		digits = digits[1:]
	}
	if s = digits; negative {
		s = "-" + digits
	}
	n, ok := numberIn(s)
	switch {
	case !ok:
		return nil, false
	case n.digits == 0:
		return new(big.Rat), true
	}
	return new(big.Rat).SetString(s)
}

// numberIn reads the form of a number within the bounds.
func numberIn(s string) (n number, ok bool) {
	if len(s) > maxNumber {
		return n, false
	}
	n, ok = scanNumber(s)
	return n, ok && n.digits <= maxCompared && n.point <= maxCompared+maxShift && n.point >= -maxShift
}
