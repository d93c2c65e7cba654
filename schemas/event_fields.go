package schemas

// field is a top-level member that EPCIS 2.0 defines.
type field uint8

const (
	fieldContext field = iota
	fieldType
	fieldAction
	fieldEventTime
	fieldEventTimeZoneOffset
	fieldRecordTime
	fieldEventID
	fieldErrorDeclaration
	fieldCertificationInfo
	fieldBizStep
	fieldDisposition
	fieldPersistentDisposition
	fieldReadPoint
	fieldBizLocation
	fieldBizTransactionList
	fieldSourceList
	fieldDestinationList
	fieldSensorElementList
	fieldParentID
	fieldEPCList
	fieldQuantityList
	fieldChildEPCs
	fieldChildQuantityList
	fieldInputEPCList
	fieldInputQuantityList
	fieldOutputEPCList
	fieldOutputQuantityList
	fieldTransformationID
	fieldILMD
	fieldCount // no field
)

// String returns the member's name.
func (k field) String() string {
	return [...]string{
		"@context", "type", "action", "eventTime", "eventTimeZoneOffset", "recordTime", "eventID", "errorDeclaration",
		"certificationInfo", "bizStep", "disposition", "persistentDisposition", "readPoint", "bizLocation",
		"bizTransactionList", "sourceList", "destinationList", "sensorElementList", "parentID", "epcList", "quantityList",
		"childEPCs", "childQuantityList", "inputEPCList", "inputQuantityList", "outputEPCList", "outputQuantityList",
		"transformationID", "ilmd",
	}[k]
}

// fieldOf finds a member's field by its name, fieldCount where the standard has
// none. A switch, because this runs for every member of every event.
func fieldOf(name string) field {
	switch name {
	case "@context":
		return fieldContext
	case "type":
		return fieldType
	case "action":
		return fieldAction
	case "eventTime":
		return fieldEventTime
	case "eventTimeZoneOffset":
		return fieldEventTimeZoneOffset
	case "recordTime":
		return fieldRecordTime
	case "eventID":
		return fieldEventID
	case "errorDeclaration":
		return fieldErrorDeclaration
	case "certificationInfo":
		return fieldCertificationInfo
	case "bizStep":
		return fieldBizStep
	case "disposition":
		return fieldDisposition
	case "persistentDisposition":
		return fieldPersistentDisposition
	case "readPoint":
		return fieldReadPoint
	case "bizLocation":
		return fieldBizLocation
	case "bizTransactionList":
		return fieldBizTransactionList
	case "sourceList":
		return fieldSourceList
	case "destinationList":
		return fieldDestinationList
	case "sensorElementList":
		return fieldSensorElementList
	}
	return itemFieldOf(name)
}

// itemFieldOf is for the members that only some types have.
func itemFieldOf(name string) field {
	switch name {
	case "parentID":
		return fieldParentID
	case "epcList":
		return fieldEPCList
	case "quantityList":
		return fieldQuantityList
	case "childEPCs":
		return fieldChildEPCs
	case "childQuantityList":
		return fieldChildQuantityList
	case "inputEPCList":
		return fieldInputEPCList
	case "inputQuantityList":
		return fieldInputQuantityList
	case "outputEPCList":
		return fieldOutputEPCList
	case "outputQuantityList":
		return fieldOutputQuantityList
	case "transformationID":
		return fieldTransformationID
	case "ilmd":
		return fieldILMD
	}
	return fieldCount
}

// fieldsOf returns the set of members that a type has (EPCIS 2.0, 7.4), as bits.
func fieldsOf(t EventType) uint32 {
	const common = 1<<fieldParentID - 1 - 1<<fieldAction
	switch t {
	case ObjectEvent:
		return common | 1<<fieldAction | 1<<fieldEPCList | 1<<fieldQuantityList | 1<<fieldILMD
	case AggregationEvent, AssociationEvent:
		return common | 1<<fieldAction | 1<<fieldParentID | 1<<fieldChildEPCs | 1<<fieldChildQuantityList
	case TransactionEvent:
		return common | 1<<fieldAction | 1<<fieldParentID | 1<<fieldEPCList | 1<<fieldQuantityList
	}
	return common | 1<<fieldInputEPCList | 1<<fieldInputQuantityList | 1<<fieldOutputEPCList |
		1<<fieldOutputQuantityList | 1<<fieldTransformationID | 1<<fieldILMD
}
