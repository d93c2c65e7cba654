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
// line, whose factor is 1. Rules read the lines of KEL and of C62, which stay as they are.
var dimensions = [...]string{
	"KEL=1 CEL=1+273.15 FAH=5/9+229835/900 A48=5/9",
	"KGM=1 GRM=1/1000 MGM=1/1000000 MC=1/1000000000 CGM=1/100000 DG=1/10000 DJ=1/100 HGM=1/10 DTN=100 TNE=1000 KTN=1000000 CTM=1/5000 " +
		"LBR=0.45359237 ONZ=0.028349523125 APZ=0.0311034768 GRN=0.00006479891 STI=6.35029318 CWA=45.359237 CWI=50.80234544 STN=907.18474 LTN=1016.0469088",
	"MTR=1 KMT=1000 HMT=100 A45=10 DMT=1/10 CMT=1/100 MMT=1/1000 4H=1/1000000 C45=1/1000000000 C52=1/1000000000000 A11=1/10000000000 INH=0.0254 FOT=0.3048 YRD=0.9144 SMI=1609.344 NMI=1852",
	"MTK=1 KMK=1000000 DMK=1/100 CMK=1/10000 MMK=1/1000000 ARE=100 HAR=10000 INK=0.00064516 FTK=0.09290304 YDK=0.83612736 ACR=4046.8564224 MIK=2589988.110336",
	"MTQ=1 LTR=1/1000 DMQ=1/1000 DLT=1/10000 CLT=1/100000 MLT=1/1000000 CMQ=1/1000000 4G=1/1000000000 MMQ=1/1000000000 A44=1/100 HLT=1/10 K6=1 " +
		"INQ=0.000016387064 FTQ=0.028316846592 YDQ=0.764554857984 GLL=0.003785411784 QTL=0.000946352946 PTL=0.000473176473 OZA=0.0000295735295625 " +
		"GLI=0.00454609 QTI=0.0011365225 PTI=0.00056826125 OZI=0.0000284130625 BLL=0.158987294928",
	"SEC=1 C26=1/1000 B98=1/1000000 C47=1/1000000000 MIN=60 HUR=3600 DAY=86400 WEE=604800",
	"MTS=1 C16=1/1000 2M=1/100 KMH=5/18 FS=0.3048 HM=0.44704 KNT=463/900",
	"MSK=1 M38=1000 M39=1/100 M41=1/1000 A76=1/100 C11=1/100000 A73=0.3048 IV=0.0254 K40=9.80665",
	"PAL=1 74=1/1000 A97=100 KPA=1000 MPA=1000000 MBR=100 BAR=100000 ATM=101325 ATT=98066.5 B40=9.80665 E42=98066.5 UA=101325/760 PS=4448.2216152605/0.64516 HN=133.322387415",
	"JOU=1 C15=1/1000 KJO=1000 3B=1000000 GV=1000000000 D30=1000000000000 WHR=3600 KWH=3600000 MWH=3600000000 GWH=3600000000000 D70=4.1868 E14=4186.8 BTU=1055.05585262",
	"WTT=1 C31=1/1000 D80=1/1000000 KWT=1000 MAW=1000000 A90=1000000000 D31=1000000000000",
	"HTZ=1 KHZ=1000 MHZ=1000000 A86=1000000000 D29=1000000000000",
	"VLT=1 2Z=1/1000 KVT=1000 B78=1000000",
	"D50=1 C30=1/1000 C3=1/1000000 D47=100 D51=1000 B79=1000000",
	"AMP=1 4K=1/1000 B84=1/1000000 C39=1/1000000000 C70=1/1000000000000 B22=1000 H38=1000000",
	"A41=1 A4=10000 A7=1000000 B23=1000 B66=1000000",
	"COU=1 D86=1/1000 B86=1/1000000 C40=1/1000000000 B26=1000 D77=1000000 AMH=3600 E09=3.6 TAH=3600000",
	"OHM=1 E45=1/1000 B49=1000 B75=1000000",
	"C61=1 C60=1/100 C23=1/1000 B95=1/1000000 B76=1000000",
	"SIE=1 C27=1/1000 B99=1/1000000 B53=1000",
	"D10=1 H43=100 H61=1/10 G42=1/10000 G43=1/1000000 B54=1000 B77=1000000",
	"FAR=1 C10=1/1000 4O=1/1000000 C41=1/1000000000 4T=1/1000000000000",
	"81=1 C14=1/1000 B90=1/1000000 C43=1/1000000000 P24=1000",
	"WEB=1 C33=1/1000 P11=1000",
	"D33=1 C29=1/1000 D81=1/1000000 C48=1/1000000000 P12=1/1000000000 P13=1000",
	"C62=1 P1=1/100 NX=1/1000 59=1/1000000 61=1/1000000000",
	"KMQ=1 GL=1 F23=1 23=1000 GJ=1000 B34=1000 B35=1000 D41=1000 A93=1/1000 M1=1/1000 GP=1/1000000 H29=1/1000000 GQ=1/1000000000 87=0.45359237/0.028316846592 GE=0.45359237/0.003785411784",
	"A39=1 H83=1/1000 22=1/10",
	"28=1 GM=1/1000 GO=1/1000000 D5=10000",
	"NEW=1 C20=1/1000 B92=1/1000000 B47=1000 B73=1000000 DU=1/100000 B37=9.80665 B51=9.80665 C78=4.4482216152605",
	"NU=1 D83=1/1000 B93=1/1000000 B48=1000 B74=1000000",
	"4P=1 C22=1/1000",
	"C65=1 C24=1/1000 89=1/10 C7=1/1000",
	"S4=1 M81=1/10000 C17=1/1000000 91=1/10000 4C=1/1000000",
	"LUX=1 KLX=1000 P27=1/0.09290304",
	"CDL=1 P33=1000 P34=1/1000",
	"D54=1 C32=1/1000 N48=10000",
	"AD=1 A99=1/8 2P=1000 4L=1000000 E34=1000000000 E35=1000000000000",
	"DD=1 D61=1/60 D62=1/3600 A91=9/10",
	"BQL=1 H08=1/1000000 2Q=1000 4N=1000000 GBQ=1000000000 CUR=37000000000 MCU=37000000 M5=37000 2R=37000000000000",
	"A95=1 C13=1/1000 C80=1/100",
	"A96=1 P54=1/1000 P55=1/1000000 P56=1/1000000000 P57=1/60 P58=1/60000 P59=1/60000000 P60=1/60000000000 P61=1/3600 P62=1/3600000 P63=1/3600000000 P64=1/3600000000000",
	"D13=1 C28=1/1000 D91=1/100",
	"P65=1 P66=1/1000 P67=1/1000000 P68=1/1000000000 P69=1/100 P74=1/60 P75=1/60000 P76=1/60000000 P77=1/60000000000 P70=1/3600 P71=1/3600000 P72=1/3600000000 P73=1/3600000000000",
	"CKG=1 C8=1/1000",
	"MQS=1 MQH=1/3600 4X=1/3600 G51=1/1000 40=1/1000000 2J=1/1000000 L2=1/60000 E32=1/3600000 G55=1/3600000000",
	"KGS=1 F31=1/60 E93=1/3600",
	"C34=1 C18=1/1000 FH=1/1000000 Z9=1/1000000000 B45=1000",
	"C36=1 M33=1 C35=1000 C38=1000 B46=1000",
	"D74=1 A94=1/1000",
	"A40=1 A37=1/1000 B58=1/1000 A36=1/1000000",
	"B15=1 B44=1000",
}

// unitOf is how amounts of a unit become amounts of its dimension's first: times
// factor, plus offset. Of a unit that is not listed the dimension is the unit.
type unitOf struct {
	dimension      string
	factor, offset *big.Rat // nil for 1 and for 0
}

// units are those of dimensions by code; only ever looked up.
var units = readUnits()

func readUnits() map[string]unitOf {
	out := map[string]unitOf{}
	for _, line := range dimensions {
		first, _, _ := strings.Cut(line, "=")
		for entry := range strings.FieldsSeq(line) {
			code, rest, _ := strings.Cut(entry, "=")
			factor, offset, _ := strings.Cut(rest, "+")
			out[code] = unitOf{first, ratio(factor), ratio(offset)}
		}
	}
	return out
}

// unitOfCode finds a unit.
func unitOfCode(code string) unitOf {
	if u, ok := units[code]; ok {
		return u
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
