package api

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// A schedule says when a subscription is told (EPCIS 2.0, 8.2.5.3): at every time,
// in UTC, of which each field matches. A field is numbers and ranges separated by
// commas, as 0,[10-20],30/5: the last is every fifth from 30 on. A field that is
// absent matches anything, but one that is finer than all that are given is its
// first value: {"hour":"1","minute":"5"} is 01:05:00 of each day.
type schedule [6]uint64 // by field, a bit for each value

// field is one field of a schedule, from fine to coarse.
type field struct {
	name        string
	least, most int
}

var scheduleFields = [6]field{{"second", 0, 59}, {"minute", 0, 59}, {"hour", 0, 23}, {"dayOfMonth", 1, 31}, {"month", 1, 12}, {"dayOfWeek", 1, 7}}

// Indices of scheduleFields.
const (
	inSecond = iota
	inMinute
	inHour
	inDay
	inMonth
	inWeekday
)

// foreseen bounds how far ahead a schedule is followed: the 29th of February is on
// each day of the week once in 40 years.
const foreseen = 41 * 366

// parseSchedule reads a schedule. One that no time matches is refused.
func parseSchedule(fields map[string]string) (s schedule, err error) {
	if len(fields) == 0 {
		return s, fault(schemas.BadSubscription, "a schedule has at least one field")
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		at := slices.IndexFunc(scheduleFields[:], func(f field) bool { return f.name == name })
		if at < 0 {
			return s, fault(schemas.BadSubscription, "a schedule has no "+clip(name))
		}
		if s[at], err = scheduleFields[at].parse(fields[name]); err != nil {
			return s, err
		}
	}
	finest := slices.IndexFunc(s[:], func(bits uint64) bool { return bits != 0 })
	for i, f := range scheduleFields {
		switch {
		case s[i] != 0:
		case i < finest && i < inDay:
			s[i] = 1 << f.least
		default:
			s[i] = f.bits(f.least, f.most, 1)
		}
	}
	if s.next(time.Unix(0, 0)).IsZero() {
		return s, fault(schemas.BadSubscription, "no time is on this schedule")
	}
	return s, nil
}

// bits are those from one value to another, every so many.
func (f field) bits(from, to, every int) (out uint64) {
	for v := from; v <= to; v += every {
		out |= 1 << v
	}
	return out
}

// parse reads a field's value.
func (f field) parse(text string) (bits uint64, err error) {
	bad := fault(schemas.BadSubscription, fmt.Sprintf("schedule: %s is numbers from %d to %d, or ranges as [%d-%d], separated by commas: %s", f.name, f.least, f.most, f.least, f.most, clip(text)))
	if len(text) > 256 {
		return 0, bad
	}
	for part := range strings.SplitSeq(text, ",") {
		from, to, every := part, part, "1"
		if inside, ok := strings.CutPrefix(part, "["); ok {
			inside, ok = strings.CutSuffix(inside, "]")
			if from, to, _ = strings.Cut(inside, "-"); !ok {
				return 0, bad
			}
		} else if start, step, ok := strings.Cut(part, "/"); ok {
			from, to, every = start, strconv.Itoa(f.most), step
		}
		a, okA := digits(from)
		b, okB := digits(to)
		n, okN := digits(every)
		if !okA || !okB || !okN || a < f.least || b > f.most || a > b || n < 1 {
			return 0, bad
		}
		bits |= f.bits(a, b, n)
	}
	return bits, nil
}

// digits reads one or two digits.
func digits(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 8)
	return int(n), err == nil && len(s) <= 2
}

func (s schedule) has(field, value int) bool { return s[field]>>value&1 == 1 }

// next is the first time on the schedule after one; zero where there is none.
func (s schedule) next(after time.Time) time.Time {
	t := after.UTC().Truncate(time.Second).Add(time.Second)
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	from := t.Sub(day)
	for range foreseen {
		weekday := (int(day.Weekday())+6)%7 + 1 // Monday is 1
		if s.has(inDay, day.Day()) && s.has(inMonth, int(day.Month())) && s.has(inWeekday, weekday) {
			if in, ok := s.timeOfDay(from); ok {
				return day.Add(in)
			}
		}
		day, from = day.AddDate(0, 0, 1), 0
	}
	return time.Time{}
}

// timeOfDay is the first time of a day on the schedule from one on.
func (s schedule) timeOfDay(from time.Duration) (time.Duration, bool) {
	for hour := int(from / time.Hour); hour < 24; hour++ {
		if !s.has(inHour, hour) {
			continue
		}
		for minute := range 60 {
			if !s.has(inMinute, minute) {
				continue
			}
			for second := range 60 {
				at := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
				if s.has(inSecond, second) && at >= from {
					return at, true
				}
			}
		}
	}
	return 0, false
}
