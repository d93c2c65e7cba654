package schemas

// String returns the type's name as EPCIS writes it.
func (t EventType) String() string {
	switch t {
	case ObjectEvent:
		return "ObjectEvent"
	case AggregationEvent:
		return "AggregationEvent"
	case TransactionEvent:
		return "TransactionEvent"
	case TransformationEvent:
		return "TransformationEvent"
	case AssociationEvent:
		return "AssociationEvent"
	case ErasureOrder:
		return orderTypeName
	case ActMessage:
		return "Act"
	}
	return ""
}

// ParseEventType reads a type's name.
func ParseEventType(s string) (EventType, bool) {
	for t := ObjectEvent; t <= AssociationEvent; t++ {
		if t.String() == s {
			return t, true
		}
	}
	return 0, false
}

// String returns the action's name, "" for none.
func (a Action) String() string {
	switch a {
	case ActionAdd:
		return "ADD"
	case ActionObserve:
		return "OBSERVE"
	case ActionDelete:
		return "DELETE"
	}
	return ""
}

// ParseAction reads an action's name.
func ParseAction(s string) (Action, bool) {
	for a := ActionAdd; a <= ActionDelete; a++ {
		if a.String() == s {
			return a, true
		}
	}
	return NoAction, false
}
