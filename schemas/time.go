package schemas

import "strings"

// Years between which every time fits 64 bits of nanoseconds since 1970, in any zone.
const (
	firstYear = 1678
	lastYear  = 2261
)

// parseTime reads a time as EPCIS 2.0 demands it (xsd:dateTimeStamp): date, time,
// decimals, of which those behind the ninth are zero, and a zone. It returns
// nanoseconds since 1970 UTC.
// time.Parse would do, but is slower, and laxer than the standard.
func parseTime(s string) (int64, bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	century, month, hour := pair(s[0:]), pair(s[5:]), pair(s[11:])
	year, day, minute, second := pair(s[2:]), pair(s[8:]), pair(s[14:]), pair(s[17:])
	if century < 0 || year < 0 {
		return 0, false
	}
	year += century * 100
	switch {
	case year < firstYear, year > lastYear, month < 1, month > 12, day < 1, day > daysIn(year, month):
		return 0, false
	case hour < 0, hour > 23, minute < 0, minute > 59, second < 0, second > 59:
		return 0, false
	}
	nanos, rest, ok := fraction(s[19:])
	if !ok {
		return 0, false
	}
	offset := 0
	if rest != "Z" {
		if offset, ok = parseOffset(rest); !ok {
			return 0, false
		}
	}
	seconds := int64(daysSince1970(year, month, day))*86400 + int64(hour)*3600 + int64(minute-offset)*60 + int64(second)
	return seconds*1e9 + nanos, true
}

// fraction reads the decimals of a second, if there are any.
func fraction(s string) (nanos int64, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	n := 1
	for ; n < len(s) && isDigit(s[n]); n++ {
		if n <= 9 {
			nanos = nanos*10 + int64(s[n]-'0')
		}
	}
	if n == 1 || n > 10 && strings.Trim(s[10:n], "0") != "" {
		return 0, "", false
	}
	for i := n; i < 10; i++ {
		nanos *= 10
	}
	return nanos, s[n:], true
}

// parseOffset reads +hh:mm or -hh:mm, in minutes, at most fourteen hours.
func parseOffset(s string) (int, bool) {
	if len(s) != len("+00:00") || s[3] != ':' || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, minutes := pair(s[1:]), pair(s[4:])
	if hours < 0 || minutes < 0 || minutes > 59 || hours*60+minutes > 14*60 {
		return 0, false
	}
	if s[0] == '-' {
		return -(hours*60 + minutes), true
	}
	return hours*60 + minutes, true
}

// pair reads two digits, or returns -1.
func pair(s string) int {
	if !isDigit(s[0]) || !isDigit(s[1]) {
		return -1
	}
	return int(s[0]-'0')*10 + int(s[1]-'0')
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSince1970 counts days in the proleptic Gregorian calendar: years begin in
// March, so that the leap day is a year's last.
func daysSince1970(year, month, day int) int {
	if month <= 2 {
		year, month = year-1, month+12
	}
	return year*365 + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468
}
