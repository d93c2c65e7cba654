package app

import "github.com/waybill-ledger/waybill/schemas"

// act runs the rule of an act. What it did to things goes into their trails.
func (m *message) act() {
	m.result.Effect = schemas.Applied
	switch a := m.event.Act.(type) {
	case *schemas.AddKey, *schemas.RevokeKey, *schemas.SetThreshold:
		m.changeKeys(a)
	case *schemas.ApproveKeyChange:
		m.approveKeys(a)
	case *schemas.MoveHost:
		m.moveHost(a)
	case *schemas.Recall:
		m.issueRecall(a)
	case *schemas.ExtendRecall:
		m.extendRecall(a)
	case *schemas.AcknowledgeRecall:
		m.answerRecall(a)
	case *schemas.CloseRecall:
		m.closeRecall(a)
	case *schemas.Propose:
		m.result.Code = m.propose(&a.Change)
	case *schemas.Vote:
		m.result.Code = m.vote(a)
	case *schemas.Withdraw:
		m.result.Code = m.takeBack(a)
	case *schemas.Ready:
		m.ready(a)
	case *schemas.AnnounceShipment:
		m.announce(a)
	case *schemas.ShipmentStep:
		m.stepShipment(a)
	case *schemas.AttachDocuments:
		m.attach(a)
	case *schemas.OfferHandover:
		m.offerShipment(a.Shipment, a.To, a.Until, doOffer)
	case *schemas.ReturnShipment:
		m.offerShipment(a.Shipment, "", a.Until, doReturn)
	case *schemas.AcceptHandover:
		m.acceptShipment(a)
	case *schemas.HandoverStep:
		m.stepHandover(a)
	case *schemas.DisputeHandover:
		m.dispute(a)
	case *schemas.AddEvidence:
		m.addEvidence(a)
	case *schemas.ResolveDispute:
		m.resolve(a)
	case *schemas.SettleException:
		m.settleException(a)
	default:
		m.result.Code = schemas.Unsupported // acts are a closed list: none gets here
	}
	if m.result.Code == schemas.OK {
		m.save()
		m.heed()
		m.indexException()
	}
}
