package schemas

import "strings"

// The EPC schemes that have no key of GS1, and so no Digital Link: their URN is
// their canonical form, with the stem in lower case.

// otherEPC names the EPC schemes that have no Digital Link.
func otherEPC(name string) bool {
	switch name {
	case "gid", "usdod", "adi", "bic", "imovn":
		return true
	}
	return false
}

// checkLinkless checks what stands behind an EPC URN's stem (EPC Tag Data
// Standard, 6.3).
func checkLinkless(kind, name, value string) flaw {
	switch {
	case !otherEPC(name), kind != "id" && kind != "idpat":
		return unknownURN
	case kind == "idpat":
		return noFlaw
	}
	parts := strings.Split(value, ".")
	good := false
	switch name {
	case "gid":
		good = len(parts) == 3 && plainNumber(parts[0]) && plainNumber(parts[1]) && plainNumber(parts[2])
	case "usdod":
		good = len(parts) == 2 && cage(parts[0]) && plainNumber(parts[1])
	case "adi":
		good = len(parts) == 3 && cage(parts[0]) && partNumber(parts[1], 0, 32) && partNumber(strings.TrimPrefix(parts[2], "%23"), 1, 30)
	case "bic":
		good = container(value)
	case "imovn":
		good = ship(value)
	}
	if !good {
		return badEPC
	}
	return noFlaw
}

// plainNumber reports whether s is a number below 2^36, the largest that any of
// these schemes has, without zeros in front.
func plainNumber(s string) bool {
	const most = "68719476735"
	switch {
	case s == "" || !allDigits(s) || len(s) > 1 && s[0] == '0':
		return false
	}
	return len(s) < len(most) || len(s) == len(most) && s <= most
}

// cage reports whether s is a code for a commercial or government entity, or for
// an activity of the US Department of Defense.
func cage(s string) bool {
	if len(s) != 5 && len(s) != 6 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c < 'A' || c > 'Z' || c == 'I' || c == 'O') {
			return false
		}
	}
	return true
}

// partNumber reports whether s has from least to most characters of those that
// part and serial numbers of the aerospace industry have.
func partNumber(s string, least, most int) bool {
	s = percentDecode(s)
	if len(s) < least || len(s) > most {
		return false
	}
	for i := range len(s) {
		if s[i] == '#' || !set39.has(s[i]) {
			return false
		}
	}
	return true
}

// container reports whether s is the code of a freight container, with its check
// digit (ISO 6346).
func container(s string) bool {
	if len(s) != 11 {
		return false
	}
	sum := 0
	for i := range 10 {
		c := s[i]
		value := int(c - '0')
		if i < 4 {
			if c < 'A' || c > 'Z' {
				return false
			}
			value = int(c-'A') + 10
			value += (value - 1) / 10 // multiples of eleven are no letter's
		} else if !isDigit(c) {
			return false
		}
		sum += value << i
	}
	return s[10] == byte('0'+sum%11%10)
}

// ship reports whether s is the number that the International Maritime
// Organization gives a ship, with its check digit.
func ship(s string) bool {
	if len(s) != 7 || !allDigits(s) {
		return false
	}
	sum := 0
	for i := range 6 {
		sum += int(s[i]-'0') * (7 - i)
	}
	return s[6] == byte('0'+sum%10)
}

// goodCheckPair reports whether a global model number ends in its check character
// pair (GS1 General Specifications, 7.9.5).
func goodCheckPair(s string) bool {
	const (
		values = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
		pairs  = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	)
	primes := [...]int{2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83}
	last := len(s) - 2
	if last < 1 || last > len(primes) {
		return false
	}
	sum := 0
	for i := range last {
		value := strings.IndexByte(values, s[i])
		if value < 0 {
			return false
		}
		sum += value * primes[last-1-i]
	}
	sum %= 1021
	return s[last] == pairs[sum>>5] && s[last+1] == pairs[sum&31]
}
