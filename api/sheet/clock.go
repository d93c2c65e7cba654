package sheet

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// formatTokens are what a format may name, longest first.
var formatTokens = []string{"YYYY", "YY", "MM", "DD", "hh", "mm", "ss", "AM", "Z"}

// cutFormat cuts the next token, or a character that stands for itself.
func cutFormat(format string) (token, rest string) {
	for _, t := range formatTokens {
		if rest, ok := strings.CutPrefix(format, t); ok {
			return t, rest
		}
	}
	return format[:1], format[1:]
}

func checkFormat(format string) error {
	seen := map[string]bool{}
	for rest := format; rest != ""; {
		var token string
		token, rest = cutFormat(rest)
		if c := token[0]; len(token) == 1 && token != "Z" && token != "T" && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return fmt.Errorf("a format is written with YYYY, YY, MM, DD, hh, mm, ss, AM, Z (the offset) and signs between them: %q", clip(format))
		}
		if len(token) > 1 && seen[token] {
			return fmt.Errorf("%s comes twice in %q", token, clip(format))
		}
		seen[token] = true
	}
	if !(seen["YYYY"] || seen["YY"]) || !seen["MM"] || !seen["DD"] {
		return fmt.Errorf("a format has a year, a month and a day: %q", clip(format))
	}
	return nil
}

// reading is a local time as it was read.
type reading struct {
	year, month, day, hour, minute, second int
	nanos                                  int
	zone                                   *time.Location // as the text says it
}

// readTime reads a time: in the clock's format, or as ISO 8601, which is also how
// cells come that a spreadsheet holds as dates. A time that names no zone is in
// the clock's; nothing is assumed where there is none.
func (c *clock) readTime(text string) (time.Time, error) {
	r, ok := reading{}, false
	if c.format != "" {
		r, ok = readFormat(text, c.format)
	}
	if !ok {
		r, ok = readISO(text)
	}
	if !ok {
		want := c.format
		if want == "" {
			want = "YYYY-MM-DDThh:mm:ssZ"
		}
		return time.Time{}, fmt.Errorf("%q is not a time like %s", clip(text), want)
	}
	zone := r.zone
	if zone == nil {
		zone = c.zone
	}
	if zone == nil {
		return time.Time{}, errors.New("the time says no zone, and neither does the mapping: add zone beside format, like Europe/Berlin or +01:00")
	}
	t := time.Date(r.year, time.Month(r.month), r.day, r.hour, r.minute, r.second, r.nanos, zone)
	if !r.shownBy(t) {
		return t, fmt.Errorf("%q is a time that there is not in %s", clip(text), zone)
	}
	if earlier := t.Add(-time.Hour); r.shownBy(earlier) {
		t = earlier // an hour that comes twice when clocks are put back: the first
	}
	if t.Year() < 1970 || t.Year() > 2200 {
		return t, fmt.Errorf("%q is not between 1970 and 2200", clip(text))
	}
	return t, nil
}

// shownBy reports whether clocks showed just this.
func (r *reading) shownBy(t time.Time) bool {
	return t.Year() == r.year && int(t.Month()) == r.month && t.Day() == r.day && t.Hour() == r.hour && t.Minute() == r.minute && t.Second() == r.second
}

func readISO(text string) (r reading, ok bool) {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04Z07:00",
		"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		r = reading{year: t.Year(), month: int(t.Month()), day: t.Day(), hour: t.Hour(), minute: t.Minute(), second: t.Second(), nanos: t.Nanosecond()}
		if strings.HasSuffix(layout, "Z07:00") {
			_, seconds := t.Zone()
			r.zone = time.FixedZone("", seconds)
		}
		return r, true
	}
	return r, false
}

// readFormat reads a text as a format says. Numbers of two digits may have one
// where a sign or the end follows.
func readFormat(text, format string) (r reading, ok bool) {
	afternoon, half, behind := false, false, false // behind: right behind another number
	for format != "" {
		var token string
		token, format = cutFormat(format)
		into := map[string]*int{"YYYY": &r.year, "YY": &r.year, "MM": &r.month, "DD": &r.day, "hh": &r.hour, "mm": &r.minute, "ss": &r.second}[token]
		switch {
		case into != nil:
			n := digits(text, len(token))
			if n < len(token) && (len(token) == 4 || n == 0 || token == "YY" || behind) {
				return r, false
			}
			*into, _ = strconv.Atoi(text[:n]) // digits, and few
			if text = text[n:]; token == "YY" {
				r.year += 2000
			}
		case token == "AM":
			if len(text) < 2 || !strings.EqualFold(text[:2], "AM") && !strings.EqualFold(text[:2], "PM") {
				return r, false
			}
			half, afternoon, text = true, strings.EqualFold(text[:2], "PM"), text[2:]
		case token == "Z":
			n := len(text)
			for _, layout := range []string{"Z07:00", "-0700", "-07"} {
				if t, err := time.Parse(layout, text[:n]); err == nil {
					_, seconds := t.Zone()
					r.zone, text = time.FixedZone("", seconds), ""
					break
				}
			}
			if r.zone == nil {
				return r, false
			}
		case !strings.HasPrefix(text, token):
			return r, false
		default:
			text = text[len(token):]
		}
		behind = into != nil
	}
	if half {
		if r.hour < 1 || r.hour > 12 {
			return r, false
		}
		if r.hour %= 12; afternoon {
			r.hour += 12
		}
	}
	return r, text == "" && r.month >= 1 && r.month <= 12 && r.day >= 1 && r.day <= 31 && r.hour < 24 && r.minute < 60 && r.second < 60
}

// digits counts the digits that a text begins with, at most so many.
func digits(text string, most int) int {
	n := 0
	for n < len(text) && n < most && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

// readNumber reads a number as the file writes it: the digits as JSON has them.
func (s *source) readNumber(text string) (string, bool) {
	sign := ""
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		sign, text = "-", rest
	}
	whole, fraction, point := strings.Cut(text, string(s.decimal))
	if point && fraction == "" {
		return "", false
	}
	if s.grouping != "" && strings.Contains(whole, s.grouping) {
		groups := strings.Split(whole, s.grouping)
		for i, g := range groups {
			if len(g) != 3 && (i > 0 || len(g) > 3 || g == "") {
				return "", false
			}
		}
		whole = strings.Join(groups, "")
	}
	if whole == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return "", false
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if point {
		return sign + whole + "." + fraction, true
	}
	return sign + whole, true
}
