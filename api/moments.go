package api

import (
	"net/url"
	"slices"

	"github.com/waybill-ledger/waybill/schemas"
)

// typeOf is the type of what the stream tells.
func typeOf(r *schemas.Record) string {
	if r.Moment != nil {
		return r.Moment.Kind.String()
	}
	return streamType(r.Skeleton)
}

// isMomentType reports whether what was asked for is, or matches, a kind of moments.
func isMomentType(asked string) bool {
	return slices.ContainsFunc(schemas.MomentKinds(), func(k schemas.MomentKind) bool { return matchesType(asked, k.String()) })
}

// about are the subjects of what the stream tells, ascending.
func about(r *schemas.Record) []string {
	if r.Moment == nil {
		return r.Skeleton.Subjects(r.Partner, r.EventID)
	}
	return slices.Sorted(slices.Values(r.Moment.Subjects))
}

// of reports whether a partner recorded what the stream tells, or it is told of it.
func of(r *schemas.Record, partner string) bool {
	return r.Partner == partner || r.Moment != nil && slices.Contains(r.Moment.Concerns, partner)
}

// momentStreamed is what is told of a moment.
func momentStreamed(r *schemas.Record) *Streamed {
	m := r.Moment
	out := &Streamed{Cursor: streamCursor(r.Locator), Type: m.Kind.String(), Time: r.Time, Partner: r.Partner, Subjects: about(r),
		Effect: schemas.Applied, Flags: []schemas.Code{}, From: m.From, Link: momentLink(m)}
	if m.Cause != (schemas.Locator{}) {
		out.Cause = streamCursor(m.Cause)
	}
	return out
}

// momentLink is where to ask what became of it.
func momentLink(m *schemas.Moment) string {
	id := url.PathEscape(m.Subjects[0])
	switch m.Kind {
	case schemas.MomentPassed, schemas.MomentRejected, schemas.MomentUndecided:
		return "/api/v1/proposals/" + id
	case schemas.MomentHandover, schemas.MomentOverdue:
		return "/api/v1/shipments/" + id
	case schemas.MomentOffer:
		return "/api/v1/items/" + id
	case schemas.MomentParameters, schemas.MomentUpgrade:
		return "/api/v1/network"
	}
	return "/api/v1/partners"
}
