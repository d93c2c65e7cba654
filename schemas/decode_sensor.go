package schemas

// how reads certificates and sensors. All of them is checked, because what is on the
// ledger is there for good; of the sensors rules use what terms can bound (condition.go).
func (d *decoder) how() *Fault {
	if n := d.at[fieldCertificationInfo]; n != 0 {
		if f := d.certificates(n); f != nil {
			return f
		}
	}
	if n := d.at[fieldSensorElementList]; n != 0 {
		if f := d.list(n, MaxEventItems, d.sensorElement); f != nil {
			return f
		}
		d.e.Skeleton.Sensors = d.sensors(n)
	}
	return nil
}

// certificates reads certificationInfo: a URI, or several.
func (d *decoder) certificates(n int) *Fault {
	if d.t.tape[n].kind != jsonArray {
		return d.reference(n)
	}
	return d.list(n, maxEntries, d.reference)
}

// reference checks a URI that only readers follow.
func (d *decoder) reference(n int) *Fault {
	if d.t.tape[n].kind != jsonString || !isURI(d.t.str(n)) {
		return d.bad(n, "a URI")
	}
	return nil
}

func (d *decoder) sensorElement(n int) *Fault {
	reports := 0
	f := d.object(n, func(name string, v int) (bool, *Fault) {
		switch name {
		case "type":
			return true, d.text(v)
		case "sensorMetadata":
			return true, d.object(v, d.sensorMetadata)
		case "sensorReport":
			return true, d.list(v, MaxEventItems, func(v int) *Fault {
				reports++
				return d.sensorReport(v)
			})
		}
		return false, nil
	})
	if f == nil && reports == 0 {
		f = &Fault{Code: MissingField, Pointer: d.t.pointer(n) + "/sensorReport", Detail: "a sensor element needs a sensorReport"}
	}
	return f
}

func (d *decoder) sensorMetadata(name string, v int) (bool, *Fault) {
	switch name {
	case "time", "startTime", "endTime":
		_, f := d.time(v)
		return true, f
	case "deviceID":
		_, _, f := d.identifier(v)
		return true, f
	case "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules":
		return true, d.reference(v)
	}
	return false, nil
}

func (d *decoder) sensorReport(n int) *Fault {
	says := false // what was measured, or that something is wrong
	f := d.object(n, func(name string, v int) (bool, *Fault) {
		says = says || name == "type" || name == "exception"
		return d.reportMember(name, v)
	})
	if f == nil && !says {
		f = &Fault{Code: MissingField, Pointer: d.t.pointer(n) + "/type", Detail: "a sensor report needs a type or an exception"}
	}
	return f
}

func (d *decoder) reportMember(name string, v int) (known bool, f *Fault) {
	k := d.t.tape[v].kind
	switch name {
	case "type":
		_, f = d.term(&measurements, v, false)
	case "exception":
		_, f = d.term(&alerts, v, false)
	case "component":
		_, f = d.term(&components, v, false)
	case "value", "minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue":
		if k != jsonNumber {
			f = d.bad(v, "a number")
		}
	case "uom":
		_, f = d.unit(v)
	case "stringValue":
		f = d.text(v)
	case "booleanValue":
		if k != jsonTrue && k != jsonFalse {
			f = d.bad(v, "true or false")
		}
	case "hexBinaryValue":
		f = d.hex(v)
	case "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules", "microorganism", "chemicalSubstance",
		"uriValue", "coordinateReferenceSystem":
		f = d.reference(v)
	default:
		return d.sensorMetadataOfReport(name, v)
	}
	return true, f
}

// sensorMetadataOfReport is for what a report may say instead of the metadata.
func (d *decoder) sensorMetadataOfReport(name string, v int) (bool, *Fault) {
	if name == "time" || name == "deviceID" {
		return d.sensorMetadata(name, v)
	}
	return false, nil
}

func (d *decoder) text(n int) *Fault {
	if d.t.tape[n].kind != jsonString {
		return d.bad(n, "a string")
	}
	return nil
}

func (d *decoder) hex(n int) *Fault {
	if d.t.tape[n].kind != jsonString || d.t.str(n) == "" {
		return d.bad(n, "hexadecimal digits")
	}
	s := d.t.str(n)
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
			return d.bad(n, "hexadecimal digits")
		}
	}
	return nil
}
