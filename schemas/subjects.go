package schemas

import (
	"cmp"
	"slices"
)

// Subjects are what a message is about, each once, as the ledger names it: of an
// event its things, classes and lots; of an order the event; of an act the shipment,
// the things it names, the recall as issuer and name, the proposal, the key or the
// partner. They are of the skeleton alone, which every node holds. by is who
// recorded the message, and id its eventID.
func (s *Skeleton) Subjects(by, id string) []string {
	var out []string
	add := func(ids ...string) {
		for _, id := range ids {
			if id != "" {
				out = append(out, id)
			}
		}
	}
	switch {
	case s.Order != nil:
		add(s.Order.EventID)
	case s.Act != nil:
		actSubjects(s.Act, by, id, add)
	default:
		add(s.ParentID)
		add(s.EPCs...)
		add(s.OutputEPCs...)
		for _, list := range [][]Quantity{s.Quantities, s.OutputQuantities} {
			for i := range list {
				add(list[i].Class)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func actSubjects(a Act, by, id string, add func(...string)) {
	add(ShipmentOf(a, id))
	switch a := a.(type) {
	case *AnnounceShipment:
		add(a.Items...)
		for i := range a.Lots {
			add(a.Lots[i].Class)
		}
	case *Recall:
		add(by + "/" + a.Recall)
		add(a.Items...)
		add(a.Lots...)
	case *ExtendRecall:
		add(by + "/" + a.Recall)
		add(a.Items...)
		add(a.Lots...)
	case *AcknowledgeRecall:
		add(a.Issuer + "/" + a.Recall)
	case *CloseRecall:
		add(by + "/" + a.Recall)
	case *Propose:
		add(a.Partner)
	case *Vote:
		add(a.Proposal)
	case *Withdraw:
		add(a.Proposal)
	case *RevokeKey:
		add(a.Key)
	case *ApproveKeyChange:
		add(a.Change)
	}
}

// ShipmentOf is the shipment that an act is about, "" where it is about none. id is the
// eventID of its message, which names a shipment that its announcement does not.
func ShipmentOf(a Act, id string) string {
	switch a := a.(type) {
	case *AnnounceShipment:
		return cmp.Or(a.Shipment, id)
	case *ShipmentStep:
		return a.Shipment
	case *AttachDocuments:
		return a.Shipment
	case *OfferHandover:
		return a.Shipment
	case *ReturnShipment:
		return a.Shipment
	case *AcceptHandover:
		return a.Shipment
	case *HandoverStep:
		return a.Shipment
	case *DisputeHandover:
		return a.Shipment
	case *AddEvidence:
		return a.Shipment
	case *ResolveDispute:
		return a.Shipment
	}
	return ""
}
