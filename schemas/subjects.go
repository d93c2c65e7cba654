package schemas

import "slices"

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
	switch a := a.(type) {
	case *AnnounceShipment:
		if a.Shipment == "" {
			add(id)
		}
		add(a.Shipment)
		add(a.Items...)
		for i := range a.Lots {
			add(a.Lots[i].Class)
		}
	case *ShipmentStep:
		add(a.Shipment)
	case *OfferHandover:
		add(a.Shipment)
	case *ReturnShipment:
		add(a.Shipment)
	case *AcceptHandover:
		add(a.Shipment)
	case *HandoverStep:
		add(a.Shipment)
	case *DisputeHandover:
		add(a.Shipment)
	case *AddEvidence:
		add(a.Shipment)
	case *ResolveDispute:
		add(a.Shipment)
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
