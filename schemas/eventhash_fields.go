package schemas

// The members of an event in the order in which the event hash reads them
// (CBV 2.0, table of 8.9: canonical property order). What is not listed is left
// out (recordTime, eventID, errorDeclaration, certificationInfo) or is an
// extension.

// hashForm says how a value is written.
type hashForm uint8

const (
	formText      hashForm = iota
	formTime               // UTC, milliseconds
	formNumber             // without zeros that say nothing
	formReference          // an identifier or another URI
	formTerm               // a term of a vocabulary, as web URI
	formList               // entries in the order of their bytes
	formObject             // members in the order of the table
)

// hashed is a member as the hash reads it.
type hashed struct {
	name  string
	form  hashForm
	terms *vocabulary // of a term
	stem  string      // that turns a bare word into a web URI
	of    []hashed    // an object's members, or the one entry of a list
	bare  bool        // the list's own name is not written
}

const (
	webCBV  = "https://ref.gs1.org/cbv/"
	webVoc  = "https://ref.gs1.org/voc/"
	stepURI = webCBV + "BizStep-"
	dispURI = webCBV + "Disp-"

	sensorList = "sensorElementList"
)

func hashText(name string) hashed   { return hashed{name: name} }
func hashTime(name string) hashed   { return hashed{name: name, form: formTime} }
func hashNumber(name string) hashed { return hashed{name: name, form: formNumber} }
func hashURI(name string) hashed    { return hashed{name: name, form: formReference} }

func hashTerm(name string, v *vocabulary, stem string) hashed {
	return hashed{name: name, form: formTerm, terms: v, stem: stem}
}

func hashObject(name string, of ...hashed) hashed {
	return hashed{name: name, form: formObject, of: of}
}

func hashList(name string, entry hashed) hashed {
	return hashed{name: name, form: formList, of: []hashed{entry}}
}

// hashBare is a list whose entries are written without a name before them all.
func hashBare(name string, entry hashed) hashed {
	return hashed{name: name, form: formList, of: []hashed{entry}, bare: true}
}

func hashEPCs(name string) hashed { return hashList(name, hashURI("epc")) }

func hashQuantities(name string) hashed {
	return hashList(name, hashObject("quantityElement", hashURI("epcClass"), hashNumber("quantity"), hashText("uom")))
}

// hashTyped is a list whose entries are written behind their type (rule 13).
func hashTyped(name string, types *vocabulary, stem, entry string) hashed {
	return hashList(name, hashObject("", hashTerm("type", types, webCBV+stem), hashURI(entry)))
}

// hashOrder is only read.
var hashOrder = [...]struct {
	field
	hashed
}{
	{fieldEventTime, hashTime("eventTime")},
	{fieldEventTimeZoneOffset, hashText("eventTimeZoneOffset")},
	{fieldEPCList, hashEPCs("epcList")},
	{fieldParentID, hashURI("parentID")},
	{fieldInputEPCList, hashEPCs("inputEPCList")},
	{fieldChildEPCs, hashEPCs("childEPCs")},
	{fieldQuantityList, hashQuantities("quantityList")},
	{fieldChildQuantityList, hashQuantities("childQuantityList")},
	{fieldInputQuantityList, hashQuantities("inputQuantityList")},
	{fieldOutputEPCList, hashEPCs("outputEPCList")},
	{fieldOutputQuantityList, hashQuantities("outputQuantityList")},
	{fieldAction, hashText("action")},
	{fieldTransformationID, hashURI("transformationID")},
	{fieldBizStep, hashTerm("bizStep", &bizSteps, stepURI)},
	{fieldDisposition, hashTerm("disposition", &dispositions, dispURI)},
	{fieldPersistentDisposition, hashObject("persistentDisposition",
		hashBare("set", hashTerm("set", &dispositions, dispURI)),
		hashBare("unset", hashTerm("unset", &dispositions, dispURI)))},
	{fieldReadPoint, hashObject("readPoint", hashURI("id"))},
	{fieldBizLocation, hashObject("bizLocation", hashURI("id"))},
	{fieldBizTransactionList, hashTyped("bizTransactionList", &transactionTypes, "BTT-", "bizTransaction")},
	{fieldSourceList, hashTyped("sourceList", &partyTypes, "SDT-", "source")},
	{fieldDestinationList, hashTyped("destinationList", &partyTypes, "SDT-", "destination")},
	{fieldSensorElementList, hashList(sensorList, hashObject("sensorElement",
		hashObject("sensorMetadata", hashTime("time"), hashTime("startTime"), hashTime("endTime"), hashURI("deviceID"),
			hashURI("deviceMetadata"), hashURI("rawData"), hashURI("dataProcessingMethod"), hashURI("bizRules")),
		hashBare("sensorReport", hashObject("sensorReport", sensorReport[:]...))))},
	{fieldILMD, hashObject("ilmd")},
}

var sensorReport = [...]hashed{
	hashTerm("type", &measurements, webVoc), hashTerm("exception", &alerts, webVoc), hashURI("deviceID"), hashURI("deviceMetadata"),
	hashURI("rawData"), hashURI("dataProcessingMethod"), hashTime("time"), hashURI("microorganism"),
	hashURI("chemicalSubstance"), hashNumber("value"), hashTerm("component", &components, webCBV+"Comp-"), hashText("stringValue"),
	hashText("booleanValue"), hashText("hexBinaryValue"), hashURI("uriValue"), hashNumber("minValue"), hashNumber("maxValue"),
	hashNumber("meanValue"), hashNumber("sDev"), hashNumber("percRank"), hashNumber("percValue"), hashText("uom"),
	hashURI("coordinateReferenceSystem"),
}
