package app_test

import (
	"context"
	"strings"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// events answers a query: type=, action=, step=, disp=, loc=, read=, epc=, any=,
// class=, id=, ge= and lt= (event time from the first block), rge=, rlt= (record
// time), order=record, asc, limit=. It reads all pages.
func (s *script) events(args []string) {
	q := s.queryOf(args)
	page := 0
	for {
		records, more, err := s.view().Events(context.Background(), q)
		if err != nil {
			s.print("%v", err)
			return
		}
		if page++; page > 1 {
			s.print("page %d", page)
		}
		s.records(records, false, nil)
		if !more {
			return
		}
		last := records[len(records)-1]
		q.After, q.AfterTime = &last.Locator, last.Skeleton.EventTime
	}
}

func (s *script) queryOf(args []string) schemas.EventQuery {
	q := schemas.EventQuery{Limit: 100}
	moment := func(v string) *time.Time {
		d, err := time.ParseDuration(v)
		if err != nil {
			s.t.Fatal(err)
		}
		t := began.Add(d)
		return &t
	}
	for _, arg := range args {
		key, value, _ := strings.Cut(arg, "=")
		list := strings.Split(value, ",")
		switch key {
		case "type":
			for _, v := range list {
				t, _ := schemas.ParseEventType(typeNames[v])
				q.EventTypes = append(q.EventTypes, t)
			}
		case "action":
			for _, v := range list {
				a, _ := schemas.ParseAction(actionNames[v])
				q.Actions = append(q.Actions, a)
			}
		case "step":
			q.BizSteps = list
		case "disp":
			q.Dispositions = list
		case "loc":
			q.BizLocations = names("@" + strings.Join(list, ",@"))
		case "read":
			q.ReadPoints = names("@" + strings.Join(list, ",@"))
		case "epc":
			q.Things = append(q.Things, schemas.Things{In: schemas.RoleEPC, IDs: names(value)})
		case "any":
			q.Things = append(q.Things, schemas.Things{In: schemas.RoleAny, IDs: names(value)})
		case "class":
			q.Things = append(q.Things, schemas.Things{In: schemas.RoleClass, IDs: names(value)})
		case "id":
			for _, v := range list {
				q.EventIDs = append(q.EventIDs, "urn:example:event:"+v)
			}
		case "ge":
			q.GEEventTime = moment(value)
		case "lt":
			q.LTEventTime = moment(value)
		case "rge":
			q.GERecordTime = moment(value)
		case "rlt":
			q.LTRecordTime = moment(value)
		case "order":
			q.OrderBy = schemas.ByRecordTime
		case "asc":
			q.Ascending = true
		case "limit":
			q.Limit = len(value)
		default:
			s.t.Fatalf("no such parameter: %q", arg)
		}
	}
	return q
}
